// The convolutional network.

class StudentNetwork extends Network {
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
