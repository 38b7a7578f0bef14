// Sends the mails on standard input with nodemailer, and prints what became of each.
const { transport, mails } = JSON.parse(require("fs").readFileSync(0));
const { createTransport } = require(process.argv[2]);

(async () => {
  const transporter = createTransport(transport);
  const outcomes = await Promise.all(
    mails.map((mail) =>
      transporter.sendMail(mail).then(
        ({ accepted, rejected, response }) => ({ accepted, rejected, response }),
        ({ code, responseCode, message }) => ({ code, responseCode, message }),
      ),
    ),
  );
  transporter.close();
  console.log(JSON.stringify(outcomes));
})();
