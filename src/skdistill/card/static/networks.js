// Computes what skdistill's compiled students compute, from weights of eight bits.

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

// The product of rows `width` long of `left` (from `leftStart`) and of `right`.
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

  // Logits, and what each feature adds to them if the network is additive.
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

class Mlp extends Network {
  get isAdditive() {
    return this.layers.length === 1;
  }

  represent(ids) {
    const { width } = this;
    return Float64Array.from(
      this.description.pooling.flatMap((how) => {
        const sums = new Array(width).fill(0);
        this.summands(how, ids).forEach((value, place) => {
          sums[place % width] += value;
        });
        return sums;
      }),
    );
  }

  contributions(ids) {
    const { matrix } = this.layers[0];
    const parts = this.description.pooling.map((how) => this.summands(how, ids));
    return ids.map((_, row) =>
      Array.from(this.prior, (__, output) =>
        parts.reduce((sum, values, part) => {
          const column = output * matrix.shape[1] + part * this.width;
          return sum + dot(matrix.values, column, values, row * this.width, this.width);
        }, 0),
      ),
    );
  }

  // What each feature adds to each dimension of a pooled vector, one row after the other.
  summands(how, ids) {
    const { width, embedding } = this;
    const values = new Float64Array(ids.length * width);
    const shares = how === "attention" ? this.attention(ids) : null;
    ids.forEach((id, row) => {
      const share = shares ? shares[row] : 1 / ids.length;
      for (let place = 0; place < width; place += 1) {
        values[row * width + place] = embedding[id * width + place] * share;
      }
    });
    if (how === "max") {
      values.fill(0);
      for (let place = 0; place < width; place += 1) {
        let best = 0;
        ids.forEach((id, row) => {
          if (embedding[id * width + place] > embedding[ids[best] * width + place]) {
            best = row;
          }
        });
        values[best * width + place] = embedding[ids[best] * width + place];
      }
    }
    return values;
  }

  attention(ids) {
    const { shape, values } = this.weights.window;
    const [size, width] = shape;
    const scores = ids.map((_, centre) => {
      let score = 0;
      for (let place = 0; place < size; place += 1) {
        const row = centre + place - (size - 1) / 2;
        if (row >= 0 && row < ids.length) {
          score += dot(this.embedding, ids[row] * width, values, place * width, width);
        }
      }
      return score;
    });
    return softmax(scores);
  }
}

class Cnn extends Network {
  represent(ids) {
    const pools = [];
    for (let number = 0; `kernels.${number}` in this.weights; number += 1) {
      pools.push(this.convolve(ids, number));
    }
    return Float64Array.from(
      this.description.pooling.flatMap((how) => pools.flatMap((pool) => [...pool.get(how)])),
    );
  }

  convolve(ids, number) {
    const { shape, values } = this.weights[`kernels.${number}`];
    const bias = this.weights[`biases.${number}`].values;
    const [nFilters, size, width] = shape;
    const pool = new Pool(nFilters);
    for (let centre = 0; centre < ids.length; centre += 1) {
      const output = Float64Array.from(bias);
      for (let place = 0; place < size; place += 1) {
        const row = centre + place - Math.floor(size / 2);
        if (row < 0 || row >= ids.length) {
          continue;
        }
        for (let filter = 0; filter < nFilters; filter += 1) {
          const start = (filter * size + place) * width;
          output[filter] += dot(this.embedding, ids[row] * width, values, start, width);
        }
      }
      pool.add(output.map((value) => Math.max(value, 0)));
    }
    return pool;
  }
}

class Rnn extends Network {
  represent(ids) {
    const pools = [this.read(ids, 0)];
    if ("directions.1.weight_hh_l0" in this.weights) {
      pools.push(this.read([...ids].reverse(), 1));
    }
    return Float64Array.from(
      this.description.pooling.flatMap((how) => pools.flatMap((pool) => [...pool.get(how)])),
    );
  }

  read(ids, direction) {
    const layer = `directions.${direction}`;
    const into = this.weights[`${layer}.weight_ih_l0`];
    const between = this.weights[`${layer}.weight_hh_l0`];
    const intoBias = this.weights[`${layer}.bias_ih_l0`].values;
    const betweenBias = this.weights[`${layer}.bias_hh_l0`].values;
    const step = this.description.cell === "gru" ? gruStep : lstmStep;
    const width = between.shape[1];
    const pool = new Pool(width);
    let state = { hidden: new Float64Array(width), cell: new Float64Array(width) };
    for (const id of ids) {
      const vector = this.embedding.subarray(id * this.width, (id + 1) * this.width);
      const inputs = multiply(into, vector, intoBias);
      state = step(inputs, multiply(between, state.hidden, betweenBias), state);
      pool.add(state.hidden);
    }
    return pool;
  }
}

function sigmoid(value) {
  return 0.5 * Math.tanh(0.5 * value) + 0.5;
}

function gruStep(inputs, recurrent, { hidden, cell }) {
  const width = hidden.length;
  const next = hidden.map((before, place) => {
    const reset = sigmoid(inputs[place] + recurrent[place]);
    const update = sigmoid(inputs[width + place] + recurrent[width + place]);
    const candidate = Math.tanh(inputs[2 * width + place] + reset * recurrent[2 * width + place]);
    return candidate + update * (before - candidate);
  });
  return { hidden: next, cell };
}

function lstmStep(inputs, recurrent, { cell }) {
  const width = cell.length;
  const gate = (number, place) => inputs[number * width + place] + recurrent[number * width + place];
  const next = cell.map(
    (before, place) =>
      sigmoid(gate(1, place)) * before + sigmoid(gate(0, place)) * Math.tanh(gate(2, place)),
  );
  const hidden = next.map((value, place) => sigmoid(gate(3, place)) * Math.tanh(value));
  return { hidden, cell: next };
}

function softmax(logits) {
  const top = logits.reduce((left, right) => Math.max(left, right));
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const total = exponentials.reduce((left, right) => left + right);
  return exponentials.map((value) => value / total);
}

const NETWORKS = { mlp: Mlp, cnn: Cnn, rnn: Rnn };

class Classifier {
  constructor(description) {
    this.classes = description.classes;
    this.multilabel = description.multilabel;
    this.vocabulary = new Vocabulary(description.vocabulary, new Characters(description.characters));
    this.network = new NETWORKS[description.kind](description);
  }

  predict(text) {
    const features = this.vocabulary.encode(text);
    const { logits, contributions } = this.network.compute(features.map(({ id }) => id));
    const probabilities = this.multilabel ? logits.map(sigmoid) : softmax(logits);
    return { features, probabilities, contributions };
  }
}
