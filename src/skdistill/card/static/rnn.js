// The recurrent network.

class StudentNetwork extends Network {
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
