// --- texts

// The token numbers of a text, padded; null and the reason if it has none or too many. As zoo.Tokenizer.
function encode(text) {
  const { vocabulary, separator, lower } = demo.start, length = demo.shape[0];
  const plain = (lower ? text.normalize("NFC").toLowerCase() : text).normalize("NFC").trim();
  const tokens = separator ? plain.split(separator).filter((token) => token) : Array.from(plain);
  if (!tokens.length) return { error: "Write a text" };
  if (tokens.length > length) return { error: `${tokens.length} tokens, at most ${length}` };
  const numbers = tokens.map((token) => { const place = vocabulary.indexOf(token); return place < 0 ? 1 : place + 2; });
  const unknown = tokens.filter((_, i) => numbers[i] === 1);
  return { numbers: [...numbers, ...new Array(length - tokens.length).fill(0)], unknown };
}

function startText() {
  const update = () => {
    const { numbers, unknown, error } = encode($("text").value);
    $("hint").textContent = unknown?.length ? `unknown: ${[...new Set(unknown)].join(" ")}` : "";
    if (error) showNothing(error);
    else predict(numbers).catch(showError);
  };
  $("text").addEventListener("input", update);
  $("clear").addEventListener("click", () => { $("text").value = ""; update(); $("text").focus(); });
  update();
}
