import type { ReactNode } from 'react';
import { piecesOf } from '../lib/visible';

/** Nothing to escape and nothing to turn around: most texts. */
const PLAIN = /^[ -~]*$/;

/** A text of a database: what is in it stays in its place, and what would not be seen is. */
export function Shown({ text, lines = false }: { text: string; lines?: boolean }): ReactNode {
  if (PLAIN.test(text)) return text;
  const pieces = piecesOf(text, lines);
  if (!pieces.some((piece) => piece.escape)) return <bdi>{text}</bdi>;
  let at = 0;
  return (
    <bdi>
      {pieces.map((piece) => {
        const key = at;
        at += piece.text.length;
        return piece.escape ? (
          <span key={key} className="escape">
            {piece.text}
          </span>
        ) : (
          piece.text
        );
      })}
    </bdi>
  );
}
