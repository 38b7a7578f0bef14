// Does the job on standard input with ImapFlow, step by step, and prints what each step gave.
//
// A step is [name, ...arguments]: a method of the client, or one of `own`. Between two steps the test may act: after a
// line is printed for a step, a line is read.
const readline = require("readline");
const { ImapFlow } = require(process.argv[2]);

const plain = (value) =>
  JSON.stringify(value, (_, inner) =>
    typeof inner === "bigint" ? Number(inner)
      : inner instanceof Set ? [...inner].sort()
      : inner instanceof Map ? Object.fromEntries(inner)
      : inner && inner.type === "Buffer" ? Buffer.from(inner.data).toString()
      : inner) ?? "null";

(async () => {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? "null");
  const client = new ImapFlow({ logger: false, ...(await next()) });
  const heard = [];
  for (const event of ["exists", "expunge", "flags"]) {
    client.on(event, (data) => heard.push({ event, ...data }));
  }
  const own = {
    async fetchAll(range, query, options) {
      const found = [];
      for await (const message of client.fetch(range, query, options)) found.push(message);
      return found;
    },
    async heard(event) {
      // what came by itself, up to this event
      while (!heard.some((one) => one.event === event)) await new Promise((done) => client.once(event, done));
      return heard.splice(0);
    },
    async idle() {
      client.idle();  // it lasts until the next command
    },
    async resync(path, changedSince, uidValidity) {
      const opened = await client.mailboxOpen(path, { changedSince: BigInt(changedSince), uidValidity: BigInt(uidValidity) });
      return { opened, heard: heard.splice(0) };
    },
    async enabled() {
      return client.enabled;
    },
  };
  await client.connect();
  console.log(plain([...client.capabilities.keys()].sort()));
  for (let step = await next(); step !== null; step = await next()) {
    const [name, ...given] = step;
    console.log(plain(await (own[name] ? own[name](...given) : client[name](...given))));
  }
  await client.logout();
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
