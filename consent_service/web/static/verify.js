// Checks a receipt (C2SP tlog-proof) in the browser, as docs/evidence.md describes it. Sends nothing anywhere.
"use strict";

const HEADER = "c2sp.org/tlog-proof@v1";
const HASH = "(?:[A-Za-z0-9+/]{43}=\\n)";
const FILE = new RegExp(
  `^${HEADER.replace(/[.]/g, "\\.")}\\nextra ([A-Za-z0-9+/=]+)\\nindex (0|[1-9]\\d{0,14})\\n(${HASH}{0,64})\\n([^]+)$`);
const NAME = "[^\\s+\\x00-\\x20]{1,200}";
const NOTE = new RegExp(`^(${NAME})\\n(0|[1-9]\\d{0,14})\\n([A-Za-z0-9+/]{43}=)\\n\\n((?:— ${NAME} [A-Za-z0-9+/=]+\\n)+)$`);
const CLOCK = { fi: ["klo", ".", "numeric"], sv: ["kl.", ".", "numeric"], en: ["at", ":", "long"] };
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Refused extends Error {}

function ensure(holds, reason) {
  if (!holds) throw new Refused(reason);
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  ensure(btoa(String.fromCharCode(...bytes)) === text, "base64 is written in another way than it should");
  return bytes;
}

function fromHex(text) {
  ensure(/^(?:[0-9a-f]{2})*$/.test(text), "not hexadecimal");
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
const leafHash = (leaf) => sha256(Uint8Array.of(0), leaf);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// RFC 8785 for what payloads hold: text, whole numbers, true, false, null, lists and objects.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

function parse(bytes, what) {
  const text = decoder.decode(bytes), found = JSON.parse(text);
  ensure(found && typeof found === "object" && canonical(found) === text, `${what} is not canonical JSON`);
  return found;
}

// RFC 9162 section 2.1.3.2
async function rootOf(leaf, index, size, path) {
  ensure(index < size, "the leaf is not in the tree");
  let place = BigInt(index), last = BigInt(size) - 1n, found = leaf;
  for (const sibling of path) {
    ensure(last > 0n, "the proof is too long");
    if (place & 1n || place === last) {
      found = await nodeHash(sibling, found);
      while (!(place & 1n) && place) { place >>= 1n; last >>= 1n; }
    } else {
      found = await nodeHash(found, sibling);
    }
    place >>= 1n; last >>= 1n;
  }
  ensure(last === 0n, "the proof is too short");
  return found;
}

async function readKey(text) {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) || [];
  ensure(name, "the key is not written as it should");
  const content = fromBase64(encoded), keyId = fromHex(id);
  ensure(content[0] === 1 && content.length === 33, "the key is not an Ed25519 key");
  ensure(same((await sha256(encoder.encode(`${name}\n`), content)).slice(0, 4), keyId), "the key's id does not belong to it");
  const key = await crypto.subtle.importKey("raw", content.slice(1), "Ed25519", false, ["verify"]);
  return { name, keyId, key };
}

async function readNote(note, { name, keyId, key }) {
  const [, origin, size, root, lines] = NOTE.exec(note) || [];
  ensure(origin, "this is no checkpoint");
  ensure(origin === name, "the checkpoint is of another log");
  const body = encoder.encode(`${origin}\n${size}\n${root}\n`);
  const signed = lines.trim().split("\n");
  ensure(signed.length <= 16, "the checkpoint has too many signatures");
  const signatures = signed.map((line) => line.split(" "))
    .map(([, signer, content]) => [signer, fromBase64(content)])
    .filter(([signer, content]) => signer === name && same(content.slice(0, 4), keyId));
  ensure(signatures.length, "no signature on the checkpoint is by this key");
  for (const [, content] of signatures) {
    ensure(await crypto.subtle.verify("Ed25519", key, content.slice(4), body), "the signature on the checkpoint is wrong");
  }
  return { origin, size: Number(size), root: fromBase64(root) };
}

async function commitment(core) {
  const key = await crypto.subtle.importKey("raw", fromHex(core.blind), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const content = join(encoder.encode("consent-log/v1/core"), Uint8Array.of(0), encoder.encode(canonical(core.payload)));
  const made = new Uint8Array(await crypto.subtle.sign("HMAC", key, content));
  return btoa(String.fromCharCode(...made)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Whether a file has anything of a receipt: somebody may have chosen another one.
function isReceipt(bytes) {
  const text = new TextDecoder("latin1").decode(bytes);
  return text.includes(HEADER) || text.includes("\nextra ");
}

async function check(bytes, keyText) {
  const [, encoded, index, lines, note] = FILE.exec(decoder.decode(bytes)) || [];
  ensure(encoded, "a part of the receipt is missing");
  const checkpoint = await readNote(note, await readKey(keyText));
  const extra = parse(fromBase64(encoded), "the receipt's opening");
  ensure(Object.keys(extra).join() === "core,leaf,texts,v" && extra.v === 1, "the receipt is of an unknown version");
  ensure(Object.keys(extra.core).join() === "blind,payload", "the opening is not as it was made");
  ensure(/^[0-9a-f]{64}$/.test(extra.core.blind), "the blind is not 32 bytes");
  ensure(Object.values(extra.texts).every((text) => typeof text === "string"), "a text is no text");
  const leafBytes = encoder.encode(extra.leaf), leaf = parse(leafBytes, "the leaf");
  ensure(Object.keys(leaf).join() === "c,id,t,v" && leaf.v === 1, "the leaf is of an unknown version");
  const path = lines.split("\n").slice(0, -1).map(fromBase64);
  const root = await rootOf(await leafHash(leafBytes), Number(index), checkpoint.size, path);
  ensure(same(root, checkpoint.root), "the proof leads to another root");
  ensure(await commitment(extra.core) === leaf.c[0], "what the receipt says is not what the log took in");
  const { payload } = extra.core;
  ensure(payload.at === leaf.t, "the times in payload and leaf differ");
  const named = [...new Set(Object.values(payload.texts || {}))].sort();
  ensure(named.join() === Object.keys(extra.texts).sort().join(), "the texts are not those the event names");
  for (const [name, text] of Object.entries(extra.texts)) {
    ensure(same(await sha256(encoder.encode(text)), fromHex(name)), "a text is not the one that was shown");
  }
  return { payload, texts: extra.texts, at: leaf.t, index: Number(index), checkpoint };
}

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function fill(list, rows) {
  list.replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", typeof value === "string" ? value : JSON.stringify(value)));
    return row;
  }));
}

// As language.py writes it: 22.11.2026 klo 12.00.
function moment(at) {
  const { lang } = document.documentElement, [clock, dot, month] = CLOCK[lang];
  const zone = { timeZone: "Europe/Helsinki", hourCycle: "h23" };
  const day = at.toLocaleDateString(month === "long" ? "en-GB" : "fi", { ...zone, day: "numeric", month, year: "numeric" });
  return `${day} ${clock} ${at.toLocaleTimeString("en-GB", { ...zone, timeStyle: "short" }).replace(":", dot)}`;
}

function show({ payload, texts, at, index, checkpoint }) {
  const facts = document.getElementById("facts"), names = facts.dataset;
  fill(facts, [
    [names.at, moment(new Date(at))],
    [names.what, JSON.parse(names.kinds)[payload.kind] || payload.kind],
    ...["first_name", "last_name", "email"].filter((key) => payload[key]).map((key) => [names[key], payload[key]]),
    [names.log, checkpoint.origin],
    [names.place, `${index + 1} / ${checkpoint.size}`],
  ]);
  fill(document.getElementById("rest"), Object.entries(payload));
  document.getElementById("texts").replaceChildren(...Object.values(texts).map((text) => element("pre", text, "letter")));
}

function reveal(id) {
  for (const name of ["good", "bad", "none", "unable"]) document.getElementById(name).hidden = name !== id;
}

async function run(file, key) {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (!isReceipt(bytes)) return reveal("none");
    show(await check(bytes, key));
    reveal("good");
  } catch (error) {
    const isUnable = error.name === "NotSupportedError" || !globalThis.crypto || !crypto.subtle;
    document.getElementById("reason").textContent = error instanceof Refused ? error.message : "";
    reveal(isUnable ? "unable" : "bad");
  }
}

const file = document.getElementById("file"), key = document.getElementById("key");
for (const field of [file, key]) {
  field.addEventListener("change", () => file.files.length && run(file.files[0], key.value));
}
document.getElementById("check").hidden = false;
