// The MLP over pooled features.

class StudentNetwork extends Network {
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

  // What each feature adds to each dimension of a pooled vector, in row-major order.
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
