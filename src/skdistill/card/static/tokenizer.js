"use strict";

// Encodes a text as skdistill's Vocabulary does. Kinds of characters and lower-casing come from the
// Python version that wrote the page, because browsers have other versions of Unicode.

const MARK = 0;
const WORD = 1;
const BLANK = 2;
const N_KINDS = 3;
const CASED = 1;
const CASE_IGNORABLE = 2;
const UNKNOWN = 0;

const SIGMA = 0x3a3;
const SMALL_SIGMA = 0x3c3;
const FINAL_SIGMA = 0x3c2;

const STEP = 0x9e3779b97f4a7c15n;
const MIX = 0xd6e8feb86659fd93n;

class Characters {
  constructor({ kinds, shifts, expansions }) {
    this.kinds = new Uint8Array(0x110000);
    let first = 0;
    for (let run = 0; run < kinds.length; run += 2) {
      this.kinds.fill(kinds[run], first, first + kinds[run + 1]);
      first += kinds[run + 1];
    }
    this.shifts = new Map();
    for (const [start, count, step, shift] of shifts) {
      for (let number = 0; number < count; number += 1) {
        this.shifts.set(start + number * step, shift);
      }
    }
    this.expansions = new Map(expansions);
  }

  kind(code) {
    return this.kinds[code] % N_KINDS;
  }

  // Returns the characters of a text, each with its start and end.
  read(text, lowercase) {
    const characters = [];
    for (let start = 0; start < text.length; ) {
      const code = text.codePointAt(start);
      const end = start + (code > 0xffff ? 2 : 1);
      characters.push({ code, start, end });
      start = end;
    }
    if (!lowercase) {
      return characters;
    }
    return characters.flatMap((character, place) =>
      this.lower(characters, place).map((code) => ({ ...character, code })),
    );
  }

  lower(characters, place) {
    const { code } = characters[place];
    if (code === SIGMA) {
      return [this.endsWord(characters, place) ? FINAL_SIGMA : SMALL_SIGMA];
    }
    return this.expansions.get(code) ?? [code + (this.shifts.get(code) ?? 0)];
  }

  // Unicode's Final_Sigma: preceded by a cased letter, but not followed by one.
  endsWord(characters, place) {
    return this.meetsCased(characters, place, -1) && !this.meetsCased(characters, place, 1);
  }

  meetsCased(characters, place, direction) {
    let next = place + direction;
    while (this.letterCase(characters[next]) === CASE_IGNORABLE) {
      next += direction;
    }
    return this.letterCase(characters[next]) === CASED;
  }

  letterCase(character) {
    return character && Math.floor(this.kinds[character.code] / N_KINDS);
  }
}

class Vocabulary {
  constructor(description, characters) {
    this.characters = characters;
    this.analyzer = description.analyzer;
    this.lowercase = description.lowercase;
    this.ngramRange = description.ngram_range;
    this.buckets = description.hash_buckets;
    this.nListed = description.features.length + 1;
    this.ids = new Map(description.features.map((feature, place) => [feature, place + 1]));
    this.codes = description.codes;
  }

  // Returns a text's features in the order the model sees them: name, id, start and end.
  encode(text) {
    const read = this.characters.read(text, this.lowercase);
    const units = this.analyzer === "word" ? this.words(read) : this.singles(read);
    for (const unit of units) {
      unit.id = this.ids.get(unit.name) ?? UNKNOWN;
    }
    return this.withNgrams(units);
  }

  words(read) {
    const words = [];
    let word = null;
    for (const { code, start, end } of read) {
      const kind = this.characters.kind(code);
      const name = String.fromCodePoint(code);
      if (kind === WORD && word) {
        word.name += name;
        word.end = end;
        continue;
      }
      word = kind === WORD ? { name, start, end } : null;
      if (kind !== BLANK) {
        words.push(word ?? { name, start, end });
      }
    }
    return words;
  }

  // Returns single characters. A run of white space becomes one space; the ends are stripped.
  singles(read) {
    const units = [];
    for (const { code, start, end } of read) {
      const isBlank = this.characters.kind(code) === BLANK;
      const last = units.at(-1);
      if (!isBlank) {
        units.push({ name: String.fromCodePoint(code), start, end });
      } else if (last?.name === " ") {
        last.end = end;
      } else if (last) {
        units.push({ name: " ", start, end });
      }
    }
    if (units.at(-1)?.name === " ") {
      units.pop();
    }
    return units;
  }

  withNgrams(units) {
    const [least, most] = this.buckets ? [1, this.ngramRange[1]] : this.ngramRange;
    if (most === 1) {
      return units;
    }
    const features = [];
    for (let first = 0; first < units.length; first += 1) {
      let name = "";
      let hash = 0n;
      let isKnown = false;
      for (let last = first; last < Math.min(first + most, units.length); last += 1) {
        const unit = units[last];
        name += (last > first && this.analyzer === "word" ? " " : "") + unit.name;
        isKnown ||= unit.id !== UNKNOWN;
        if (this.buckets) {
          hash = last === first ? this.code(unit) : this.roll(hash, unit);
        }
        if (last - first + 1 >= least) {
          const id = this.ngramId(name, hash, last > first);
          if (!this.buckets || last === first || isKnown) {
            features.push({ name, id, start: units[first].start, end: unit.end });
          }
        }
      }
    }
    return features;
  }

  ngramId(name, hash, isLong) {
    return this.buckets && isLong
      ? this.nListed + this.bucket(hash)
      : (this.ids.get(name) ?? UNKNOWN);
  }

  code(unit) {
    return BigInt(this.codes[unit.id]);
  }

  roll(hash, unit) {
    return BigInt.asUintN(64, (hash + 1n) * STEP + this.code(unit));
  }

  bucket(hash) {
    const mixed = BigInt.asUintN(64, (hash ^ (hash >> 32n)) * MIX);
    return Number((mixed >> 32n) % BigInt(this.buckets));
  }
}
