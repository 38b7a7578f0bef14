// Makes the pages follow what happens. Without it they are the same pages, as they were when they were loaded.
"use strict";

(() => {
  const state = document.getElementById("state");
  const formats = {
    short: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    older: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" },
    long: {
      weekday: "short", day: "2-digit", month: "short", year: "numeric",
      hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
    },
  };

  // Times are written in UTC; a person wants those of the own clock.
  function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const today = at.toDateString() === new Date().toDateString();
      const form = element.dataset.form === "short" && !today ? "older" : element.dataset.form;
      element.textContent = new Intl.DateTimeFormat(undefined, { ...formats[form], hourCycle: "h23" }).format(at);
      element.title = new Intl.DateTimeFormat(undefined, { ...formats.long, hourCycle: "h23" }).format(at);
    }
  }

  function equip(root) {
    localTimes(root);
    for (const button of root.querySelectorAll("[data-copy]")) {
      if (!navigator.clipboard) continue;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = "Copied";
      });
    }
    for (const form of root.querySelectorAll("[data-submit]")) {
      form.querySelector("[data-without-script]")?.remove();
      form.addEventListener("change", () => form.submit());
    }
  }

  // The page is asked for again, and what is live in it is put in place of what is shown.
  let asking = false;
  let again = false;
  async function refresh() {
    if (!document.querySelector("#live[data-live]")) return;
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      do {
        again = false;
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const id of ["nav", "live"]) {
          const shown = document.getElementById(id);
          const next = fresh.getElementById(id);
          if (!shown || !next || shown.querySelector("details[open]")) continue;
          if (id === "live" && !("live" in shown.dataset)) continue;
          const focused = shown.contains(document.activeElement) ? document.activeElement.id : "";
          const imported = document.importNode(next, true);
          equip(imported);
          shown.replaceWith(imported);
          if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
        }
        document.title = fresh.title;
        await new Promise((done) => setTimeout(done, 150));
      } while (again);
    } finally {
      asking = false;
    }
  }

  // A browser keeps few connections to one server: a page that nobody sees gives its own back.
  let source = null;
  let mark = document.body.dataset.mark;
  function follow() {
    if (source || document.hidden) return;
    const address = new URL(document.body.dataset.events, location.href);
    if (mark) address.searchParams.set("since", mark);
    source = new EventSource(address);
    const seen = (event) => {
      if (event.lastEventId) mark = event.lastEventId;
    };
    source.addEventListener("ready", (event) => {
      seen(event);
      state.hidden = false;
      state.className = "live";
      state.textContent = "live";
    });
    for (const kind of ["message", "change", "restarted"]) {
      source.addEventListener(kind, (event) => {
        seen(event);
        refresh();
      });
    }
    source.addEventListener("error", () => {
      state.hidden = false;
      state.className = "live away";
      state.textContent = "no connection";
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(follow, 2000);
      }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      follow();
      refresh();
    }
  });
  addEventListener("pagehide", () => source?.close());

  // j and k go to the older and the newer message, as in mail programs.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  });

  equip(document);
  follow();
})();
