"use strict";

const $ = (id) => document.getElementById(id);
const url = (path) => `${$("site").value}${path}`;

const say = (asked, came, why) => {
  const li = document.createElement("li");
  for (const [text, kind] of [[asked, "hint"], [came, "error"], [why, ""]]) {
    const p = document.createElement("p");
    p.textContent = text;
    p.className = kind;
    li.append(p);
  }
  $("answers").prepend(li);
};

const kept = "It arrived, and your cookie with it. But the answer does not allow this origin, so the browser keeps it from the page.";
const tries = {
  read: ["GET /me", "/me", {}, kept],
  proof: ["GET /csrf", "/csrf", {}, kept],
  refresh: ["POST /auth/refresh, as JSON", "/auth/refresh",
    { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" },
    "It was never sent. No form can send JSON, so the browser asked first, and the application did not allow it."],
  gift: ["POST /gift, as a form would", "/gift", { method: "POST", mode: "no-cors", body: new URLSearchParams({ from: "you" }) },
    "It was sent, with your cookie, because forms always could. The page cannot see what came of it: the gift was refused for where it came from."],
};

for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", async () => {
    const [asked, path, init, why] = tries[button.dataset.try];
    const res = await fetch(url(path), { credentials: "include", ...init }).catch((problem) => problem);
    const read = res instanceof Response && res.type !== "opaque";
    say(asked, read ? `${res.status}: the page can read the answer!` : res.type === "opaque" ? "Nothing" : String(res),
      read ? "This must not happen." : why);
  });
}

const wanted = decodeURIComponent(location.hash.slice(1));
for (const option of $("site").options) if (option.text === wanted) option.selected = true;
const aim = () => {
  $("form").action = url("/gift");
  $("back").href = url("/#h-audit");
};
$("site").addEventListener("change", aim);
aim();
