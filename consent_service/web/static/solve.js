// Solves a task of ALTCHA's proof of work, version 2, for PBKDF2/SHA-256, and returns it as it is sent.
async function solve(task) {
  const { nonce, salt, cost, keyLength, keyPrefix } = task.parameters;
  const fromHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
  const how = { name: "PBKDF2", hash: "SHA-256", salt: fromHex(salt), iterations: cost };
  const password = Uint8Array.of(...fromHex(nonce), 0, 0, 0, 0), end = new DataView(password.buffer, password.length - 4);
  for (let counter = 0; ; counter += 1) {
    end.setUint32(0, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const bytes = new Uint8Array(await crypto.subtle.deriveBits(how, key, keyLength * 8));
    const derivedKey = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (derivedKey.startsWith(keyPrefix)) return btoa(JSON.stringify({ challenge: task, solution: { counter, derivedKey } }));
  }
}
