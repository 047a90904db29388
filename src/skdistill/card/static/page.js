// The text box for trying the model.

const MAX_CLASSES = 12;
const MAX_WORDS = 6;
const MAX_MARKED = 3000;
const MIN_SHARE = 0.005;
const QUIET_MILLISECONDS = 900;

function find(id) {
  return document.getElementById(id);
}

function make(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

// How much each feature supports a class. With one class per text, the mean over the classes is
// subtracted, since adding the same amount to all logits does not change the softmax.
function towards(contributions, number, multilabel) {
  return contributions.map((row) => {
    const mean = multilabel ? 0 : row.reduce((left, right) => left + right) / row.length;
    return row[number] - mean;
  });
}

// Cuts a text where a feature starts or ends. Overlapping features share their characters.
function cut(text, features) {
  const cuts = new Set([0, text.length]);
  const steps = new Float64Array(text.length + 1);
  for (const { start, end, part } of features) {
    cuts.add(start).add(end);
    steps[start] += part / (end - start);
    steps[end] -= part / (end - start);
  }
  const places = [...cuts].sort((left, right) => left - right);
  let slope = 0;
  return places.slice(0, -1).map((start, number) => {
    slope += steps[start];
    const end = places[number + 1];
    return { text: text.slice(start, end), part: slope * (end - start) };
  });
}

class Demonstration {
  constructor(classifier) {
    this.classifier = classifier;
    this.box = find("text");
    this.choice = find("explained");
    this.rows = this.makeRows();
    this.box.addEventListener("input", () => this.update());
    this.choice?.addEventListener("change", () => this.update());
    this.update();
  }

  makeRows() {
    const number = Math.min(this.classifier.classes.length, MAX_CLASSES);
    const rows = Array.from({ length: number }, () => {
      const name = make("th", { scope: "row", dir: "auto" });
      const fill = make("span", { className: "fill" });
      const bar = make("td", { className: "bar", ariaHidden: "true" }, fill);
      const value = make("td", { className: "number" });
      return { row: make("tr", {}, name, bar, value), name, fill, value };
    });
    find("probabilities").replaceChildren(...rows.map(({ row }) => row));
    if (this.classifier.classes.length > number) {
      find("listed").textContent = `The ${number} highest probabilities`;
    }
    return rows;
  }

  update() {
    const text = this.box.value;
    const outcome = this.classifier.predict(text);
    const { probabilities, features } = outcome;
    const best = probabilities.indexOf(Math.max(...probabilities));
    const isEmpty = features.length === 0;
    this.showProbabilities(probabilities, best, isEmpty);
    find("empty").hidden = !isEmpty;
    find("blind").hidden = isEmpty || features.some(({ id }) => id !== UNKNOWN);
    if (this.choice) {
      const chosen = this.choice.value === "" ? best : Number(this.choice.value);
      this.showWords(text, outcome, chosen);
    }
    this.announceLater(probabilities, best, isEmpty);
  }

  // Without a text, there is nothing to predict: the rows stay, without figures.
  showProbabilities(probabilities, best, isEmpty) {
    let order = probabilities.map((_, number) => number);
    if (order.length > MAX_CLASSES) {
      order = order.sort((left, right) => probabilities[right] - probabilities[left]);
    }
    this.rows.forEach(({ row, name, fill, value }, place) => {
      const number = order[place];
      const probability = probabilities[number];
      const isWinner = this.classifier.multilabel ? probability > 0.5 : number === best;
      name.textContent = this.classifier.classes[number];
      value.textContent = isEmpty ? "" : percent(probability);
      fill.style.width = `${100 * probability}%`;
      fill.style.visibility = isEmpty ? "hidden" : "";
      row.className = isWinner && !isEmpty ? "winner" : "";
      row.dataset.number = String(number);
      row.dataset.probability = String(probability);
    });
  }

  showWords(text, { features, contributions }, number) {
    const parts = contributions ? towards(contributions, number, this.classifier.multilabel) : [];
    const explained = parts.map((part, place) => ({ part, ...features[place] }));
    find("words").replaceChildren(...this.marks(text, explained));
    const isChosen = features.length > 0 || this.choice.value !== "";
    find("explained-class").textContent = isChosen ? this.classifier.classes[number] : "a class";
    const strongest = explained
      .sort((left, right) => Math.abs(right.part) - Math.abs(left.part))
      .slice(0, MAX_WORDS);
    const rows = strongest.map(({ name, id, part }) => {
      const word = make("th", { scope: "row", dir: "auto" }, name === " " ? "(space)" : name);
      if (id === UNKNOWN) {
        word.append(make("span", { className: "note" }, " unknown"));
      }
      return make("tr", {}, word, make("td", { className: "number" }, signed(part)));
    });
    find("contributions").replaceChildren(...rows);
  }

  marks(text, features) {
    // Do not cut between the halves of a surrogate pair.
    const length = text.codePointAt(MAX_MARKED - 1) > 0xffff ? MAX_MARKED - 1 : MAX_MARKED;
    const rest = text.length > length ? "…" : "";
    const shown = features.filter(({ end }) => end <= length);
    const pieces = cut(text.slice(0, length), shown);
    const top = pieces.reduce((most, { part }) => Math.max(most, Math.abs(part)), 0);
    const marked = pieces.map((piece) => {
      const share = top ? Math.abs(piece.part) / top : 0;
      if (share < MIN_SHARE || !piece.text.trim()) {
        return piece.text;
      }
      const className = piece.part > 0 ? "for" : "against";
      const mark = make("mark", { className, title: signed(piece.part) }, piece.text);
      mark.style.setProperty("--share", share.toFixed(3));
      return mark;
    });
    return [...marked, rest];
  }

  // For screen readers: announce changes only, once the user stops typing.
  announceLater(probabilities, best, isEmpty) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { classes, multilabel } = this.classifier;
      const likely = classes.filter((_, number) => probabilities[number] > 0.5);
      const winners = multilabel
        ? `Likely: ${likely.join(", ") || "none"}`
        : `${classes[best]}, ${Math.round(100 * probabilities[best])} %`;
      const news = isEmpty ? "" : winners;
      if (find("news").textContent !== news) {
        find("news").textContent = news;
      }
    }, QUIET_MILLISECONDS);
  }
}

const classifier = new Classifier(JSON.parse(find("model").textContent));
const demonstration = new Demonstration(classifier);
