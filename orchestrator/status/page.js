"use strict";
/* Live updates: pieces with an id are replaced when the server says so. The page is whole without
 * this. Nothing is replaced that has the focus, and nothing at all while updates are paused. */
(() => {
  const live = document.getElementById("live"), hold = document.getElementById("hold");
  const journal = document.getElementById("journal"), about = document.getElementById("about");
  const policy = document.body.dataset.policy, waiting = new Map();
  let source = null, paused = false, last = Date.now();
  const say = (text, on) => { live.textContent = text; live.className = on ? "on" : "off"; };
  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html;
    return t.content.firstElementChild;
  };
  const age = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    return s < 120 ? s + "s" : s < 7200 ? Math.floor(s / 60) + "m"
      : s < 172800 ? Math.floor(s / 3600) + "h" : Math.floor(s / 86400) + "d";
  };
  const ages = () => document.querySelectorAll("main time").forEach((t) => {
    const text = age(Date.now() - Date.parse(t.dateTime));
    if (t.textContent !== text) t.textContent = text;
  });
  const patch = (id, html) => {
    const old = document.getElementById(id);
    if (!old) return;
    if (paused || old.contains(document.activeElement)) { waiting.set(id, html); return; }
    const fresh = parse(html);
    old.replaceWith(fresh);
    if (id === "banner") document.title = fresh.dataset.title + " - Ephor";
  };
  const flush = () => {
    const all = [...waiting];
    waiting.clear();
    all.forEach(([id, html]) => patch(id, html));
  };
  const names = (about ? about.dataset.names : "").split(" ").filter((name) => name);
  const isAbout = (line) => !names.length || names.some((name) =>
    new RegExp("(^|[^\\w-])" + name.replace(/\W/g, "\\$&") + "($|[^\\w-])")
      .test(line.object + " " + line.text));
  const addLine = (line) => {
    const id = "line-" + line.index + "-" + line.line;
    if (!journal || document.getElementById(id) || !isAbout(line)) return;
    const [, index, number] = journal.firstElementChild
      ? journal.firstElementChild.id.split("-").map(Number) : [0, 0, 0];
    if (line.index < index || (line.index === index && line.line < number)) return;
    const row = parse("<table><tbody>" + line.html + "</tbody></table>").querySelector("tr");
    row.classList.add("fresh");
    journal.prepend(row);
    while (journal.children.length > 50) journal.lastElementChild.remove();
  };
  const close = () => { if (source) { source.close(); source = null; } };
  const open = () => {
    close();
    source = new EventSource("/events");
    const on = (name, f) => source.addEventListener(name, (e) => { last = Date.now(); f(e); });
    source.onerror = () => say("reconnecting", false);
    on("hello", (e) => { if (JSON.parse(e.data).policy !== policy) location.reload(); });
    on("patch", (e) => { const p = JSON.parse(e.data); patch(p.id, p.html); ages(); });
    on("journal", (e) => { if (!paused) { addLine(JSON.parse(e.data)); ages(); } });
    on("ping", () => {});
  };
  const tick = () => {
    const silent = Math.floor((Date.now() - last) / 1000);
    if (paused) say("updates are paused", false);
    else if (silent > 20) say("data is " + silent + " s old", false);
    else if (source && source.readyState === 1) say("live", true);
    ages();
  };
  hold.hidden = false;
  hold.onclick = () => {
    paused = !paused;
    hold.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) { flush(); open(); }
    tick();
  };
  document.addEventListener("focusout", () => setTimeout(() => { if (!paused) flush(); }, 0));
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  setInterval(tick, 1000);
  open();
})();
