// Makes the same predictions as skdistill's compiled students with 8-bit weights. The page also
// contains the script for its kind of student, whose class StudentNetwork extends Network.

function decodeBytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}

function decodeMatrix({ shape, data, scale }) {
  const bytes = decodeBytes(data);
  if (!scale) {
    return { shape, values: new Float32Array(bytes) };
  }
  const values = Float32Array.from(new Int8Array(bytes));
  const scales = new Float32Array(decodeBytes(scale));
  const width = values.length / shape[0];
  for (let place = 0; place < values.length; place += 1) {
    values[place] *= scales[Math.floor(place / width)];
  }
  return { shape, values };
}

// The dot product of `width` elements of `left` and `right`, from the given starts.
function dot(left, leftStart, right, rightStart, width) {
  let sum = 0;
  for (let place = 0; place < width; place += 1) {
    sum += left[leftStart + place] * right[rightStart + place];
  }
  return sum;
}

function multiply({ shape, values }, vector, bias) {
  const [nOutputs, nInputs] = shape;
  const result = new Float64Array(nOutputs);
  for (let output = 0; output < nOutputs; output += 1) {
    result[output] = dot(values, output * nInputs, vector, 0, nInputs) + (bias?.[output] ?? 0);
  }
  return result;
}

// A running maximum and mean of vectors.
class Pool {
  constructor(width) {
    this.max = new Float64Array(width).fill(-Infinity);
    this.sum = new Float64Array(width);
    this.count = 0;
  }

  add(vector) {
    for (let place = 0; place < vector.length; place += 1) {
      this.max[place] = Math.max(this.max[place], vector[place]);
      this.sum[place] += vector[place];
    }
    this.count += 1;
  }

  get(how) {
    return how === "max" ? this.max : this.sum.map((value) => value / this.count);
  }
}

class Network {
  constructor(description) {
    this.description = description;
    this.weights = Object.fromEntries(
      Object.entries(description.weights).map(([name, stored]) => [name, decodeMatrix(stored)]),
    );
    this.embedding = this.weights["embedding.weight"].values;
    this.width = this.weights["embedding.weight"].shape[1];
    this.prior = this.weights.log_prior.values;
    this.layers = [];
    for (let number = 0; `layers.${number}.weight` in this.weights; number += 1) {
      const bias = this.weights[`layers.${number}.bias`].values;
      this.layers.push({ matrix: this.weights[`layers.${number}.weight`], bias });
    }
  }

  get isAdditive() {
    return false;
  }

  // Returns the logits and, if the network is additive, each feature's contributions to them.
  compute(ids) {
    if (ids.every((id) => id === UNKNOWN)) {
      return { logits: [...this.prior], contributions: null };
    }
    let hidden = this.represent(ids);
    this.layers.forEach(({ matrix, bias }, number) => {
      const inputs = number ? hidden.map((value) => Math.max(value, 0)) : hidden;
      hidden = multiply(matrix, inputs, bias);
    });
    return { logits: [...hidden], contributions: this.isAdditive ? this.contributions(ids) : null };
  }
}

function sigmoid(value) {
  return 0.5 * Math.tanh(0.5 * value) + 0.5;
}

function softmax(logits) {
  const top = logits.reduce((left, right) => Math.max(left, right));
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const total = exponentials.reduce((left, right) => left + right);
  return exponentials.map((value) => value / total);
}

class Classifier {
  constructor(description) {
    this.classes = description.classes;
    this.multilabel = description.multilabel;
    this.vocabulary = new Vocabulary(description.vocabulary, new Characters(description.characters));
    this.network = new StudentNetwork(description);
  }

  predict(text) {
    const features = this.vocabulary.encode(text);
    const { logits, contributions } = this.network.compute(features.map(({ id }) => id));
    const probabilities = this.multilabel ? logits.map(sigmoid) : softmax(logits);
    return { features, probabilities, contributions };
  }
}
