// The page's only script. It calls the people-facing API and
// navigator.credentials, and writes text, never HTML.
"use strict";

const api = "/api/v1";
const at = (id) => document.getElementById(id);
const say = (text) => { at("said").textContent = text; };

// call answers with the JSON of a success and throws what else the server says.
async function call(method, path, body) {
  const init = { method, headers: {}, credentials: "same-origin", redirect: "error" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(api + path, init);
  if (answer.status === 204) return null;
  const said = await answer.json();
  if (!answer.ok) {
    const error = new Error(said.detail + (said.hint ? " (" + said.hint + ")" : ""));
    error.status = answer.status;
    error.reason = said.reason;
    throw error;
  }
  return said;
}

// attempt runs what a person asked for, and says what went wrong.
async function attempt(work) {
  say("");
  try {
    await work();
  } catch (error) {
    say(error.message);
    if (error.status === 401 || error.reason === "step-up") show("sign-in");
  }
}

function show(...sections) {
  for (const id of ["sign-in", "confirm", "approve", "account"]) at(id).hidden = !sections.includes(id);
}

function wanted() {
  const code = location.hash.slice(1);
  return /^[A-Z2-7]{4}-[A-Z2-7]{4}$/.test(code) ? code : "";
}

// request is the id of what somebody is asked to approve, from the page's address.
function request() {
  const id = location.hash.slice(1);
  return /^[0-9a-f]{16}$/.test(id) ? id : "";
}

let asked = null; // the request that is shown

function showRequest(r) {
  asked = r;
  at("what").textContent = r.action + (r.app ? " of " + r.app : "") + " on " + r.subject + ", asked by " + r.requester;
  const list = at("parameters");
  list.replaceChildren();
  const entries = Object.entries(r.parameters).sort();
  if (r.payload) entries.push(["SHA-256 of what is signed", r.payload]);
  for (const [name, value] of entries) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  const counting = r.approvals.filter((a) => a.counts).length;
  at("progress").textContent = "Request " + r.id + " is " + r.state + ": " + counting + " of " + r.needed + " approvals of " + r.roles.join(", ") +
    ". Until " + new Date(r.expires).toLocaleString() + ".";
  at("why-not").textContent = r.whyNot || "";
  at("do-approve").disabled = !r.options;
  show("approve");
}

async function signedIn() {
  const account = await call("GET", "/account");
  at("who").textContent = account.person.login;
  const code = wanted();
  if (code) {
    const from = await call("GET", "/sign-in-requests/" + code);
    at("from").textContent = from.address;
    at("program").textContent = from.program;
    at("code").textContent = code;
    show("confirm");
    return;
  }
  if (request()) {
    showRequest(await call("GET", "/approvals/" + request()));
    return;
  }
  const list = at("passkeys");
  list.replaceChildren();
  for (const key of (await call("GET", "/passkeys")).passkeys) {
    const line = document.createElement("li");
    const used = key.used ? ", last used " + new Date(key.used).toLocaleString() : "";
    line.textContent = (key.label || key.id) + ", since " + new Date(key.created).toLocaleDateString() + used;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "Remove";
    remove.addEventListener("click", () => attempt(async () => { await call("DELETE", "/passkeys/" + key.id); await signedIn(); }));
    line.append(remove);
    list.append(line);
  }
  show("account");
}

at("with-passkey").addEventListener("click", () => attempt(async () => {
  const asked = await call("POST", "/sessions/passkey/begin");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  await call("POST", "/sessions/passkey/finish", { ceremony: asked.ceremony, credential: credential.toJSON(), cookie: true });
  await signedIn();
}));

at("with-code").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const { login, password, code } = Object.fromEntries(new FormData(form));
    form.elements.code.value = "";
    await call("POST", "/sessions", { login, password, code, cookie: true });
    form.reset();
    await signedIn();
  });
});

at("do-confirm").addEventListener("click", () => attempt(async () => {
  await call("POST", "/sign-in-requests/" + wanted());
  show();
  say("Done: go on in the terminal. You may close this page.");
}));

at("do-approve").addEventListener("click", () => attempt(async () => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  showRequest(await call("POST", "/approvals/" + asked.id + "/approve", { credential: credential.toJSON() }));
  say("Approved.");
}));

at("do-reject").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    showRequest(await call("POST", "/approvals/" + asked.id + "/reject", { reason: form.elements.reason.value }));
    form.reset();
    say("Rejected.");
  });
});

window.addEventListener("hashchange", () => attempt(signedIn));

at("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const asked = await call("POST", "/passkeys/begin");
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.options.publicKey);
    const credential = await navigator.credentials.create({ publicKey });
    await call("POST", "/passkeys/finish", { ceremony: asked.ceremony, label: form.elements.label.value, credential: credential.toJSON() });
    form.reset();
    await signedIn();
  });
});

at("sign-out").addEventListener("click", () => attempt(async () => {
  const account = await call("GET", "/account");
  await call("DELETE", "/sessions/" + account.session.id);
  show("sign-in");
}));

attempt(async () => {
  try {
    await signedIn();
  } catch (error) {
    if (error.status !== 401) throw error;
    show("sign-in");
  }
});
