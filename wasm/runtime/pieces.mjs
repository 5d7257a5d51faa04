// Where the pieces of a download go when the browser's storage has no room or is full.

/** They live as long as the page: each a Blob, which browsers keep outside of the tab's heap. */
export class MemoryPieces {
  /** @type {Blob[]} */ #parts = [];

  has(/** @type {number} */ piece) {
    return piece in this.#parts;
  }

  /** @param {number} piece @param {Uint8Array} bytes */
  write(piece, bytes) {
    this.#parts[piece] = new Blob([/** @type {BlobPart} */ (bytes)]);
  }

  blob() {
    return new Blob(this.#parts);
  }

  /** What is kept moves here. @param {import("./kept.mjs").KeptFile} file @returns {MemoryPieces} */
  static takenFrom(file) {
    const pieces = new MemoryPieces();
    const { bytes, piece_bytes } = file.header;
    for (let piece = 0; piece * piece_bytes < bytes; piece++) {
      if (!file.has(piece)) continue;
      const buffer = new Uint8Array(Math.min(piece_bytes, bytes - piece * piece_bytes));
      file.read(piece * piece_bytes, buffer);
      pieces.write(piece, buffer);
    }
    return pieces;
  }
}

/** Pieces in the browser's storage, and all in memory from the first one on for which that has no room. */
export class OverflowingPieces {
  /** @type {MemoryPieces | null} null: all went into the storage */
  memory = null;

  /** @param {import("./kept.mjs").KeptFile} file */
  constructor(file) {
    this.file = file;
  }

  has(/** @type {number} */ piece) {
    return (this.memory ?? this.file).has(piece);
  }

  /** @param {number} piece @param {Uint8Array} bytes */
  write(piece, bytes) {
    try {
      (this.memory ?? this.file).write(piece, bytes);
    } catch (error) {
      if (this.memory || /** @type {Error} */ (error).name !== "QuotaExceededError") throw error;
      this.memory = MemoryPieces.takenFrom(this.file);
      this.memory.write(piece, bytes);
    }
  }
}
