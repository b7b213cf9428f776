//! A check of the nesting of a file, before a tree is made of it.

use std::ops::Range;

use toml_parser::{Source, lexer::TokenKind};

/// The most levels that one value may have. A flags.toml needs only a few.
const LIMIT: usize = 200;

/// Returns the place where a value becomes too deep for a tree, if there is one.
///
/// `toml` limits brackets and the parts of a key to 80 each, but not their product. So 80 nested
/// inline tables whose keys have 80 parts each make a tree of 6,400 levels. To free such a tree
/// overflows the stack of a worker thread. Dropping the tree by hand does not help, because the
/// parser drops parts of it itself after errors.
pub(super) fn too_deep(text: &str) -> Option<Range<usize>> {
    let mut open: Vec<(TokenKind, usize)> = Vec::new();
    let mut level = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => level += 1,
            opening @ (TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket) => {
                open.push((opening, level));
                level += 1;
            }
            TokenKind::Comma | TokenKind::Newline => {
                level = open.last().map_or(0, |(_, outside)| outside + 1);
            }
            TokenKind::RightSquareBracket => {
                close(&mut open, TokenKind::LeftSquareBracket, &mut level);
            }
            TokenKind::RightCurlyBracket => {
                close(&mut open, TokenKind::LeftCurlyBracket, &mut level);
            }
            _ => {}
        }
        if level > LIMIT {
            return Some(token.span().start()..token.span().end());
        }
    }
    None
}

/// Closes a bracket. A bracket that closes nothing is ignored, so that the level is never too low.
fn close(open: &mut Vec<(TokenKind, usize)>, opening: TokenKind, level: &mut usize) {
    if let Some((_, outside)) = open.pop_if(|(kind, _)| *kind == opening) {
        *level = outside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_nesting_add_up_only_within_a_value() {
        let key = vec!["a"; 70].join(".");

        assert_eq!(too_deep(&format!("{key} = {{ {key} = 1 }}\n").repeat(100)), None);
        assert_eq!(
            too_deep(&format!("a = [\"{}\"]", "ana@shop.example\", \"".repeat(1_000))),
            None
        );
        assert_eq!(too_deep(&"[flags.a]\na = [1.5, 2.5] # ...\n".repeat(1_000)), None);
        assert_eq!(too_deep(&"a = [\nb.c = 1\n".repeat(90)), None);
        assert!(too_deep(&format!("{key} = {{ {key} = {{ {key} = 1 }} }}")).is_some());
        assert_eq!(too_deep(&"[".repeat(300)), Some(200..201));
    }
}
