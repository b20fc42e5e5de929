//! What names, literals and numbers say, as the server reads them.
//!
//! `None` stands for what depends on more than the text: a Unicode escape, a bit string, an escape
//! that another version reads in another way.
//!
//! Names are folded and cut as in UTF-8. A server with another encoding cuts a name of more than 63
//! bytes elsewhere, and folds letters beyond ASCII too.

use super::keywords::{self, Class};
use super::lexer::TokenKind;

/// Most bytes of an identifier; the server cuts off the rest.
const NAME: usize = 63;

/// The word in lower case, if it fits.
pub(super) fn lower<'b>(word: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let lower = buffer.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// The name that an identifier stands for.
pub(super) fn identifier(kind: TokenKind, text: &str) -> Option<String> {
    let mut name = match kind {
        TokenKind::Word => text.to_ascii_lowercase(),
        TokenKind::Quoted => text.get(1..text.len() - 1)?.replace("\"\"", "\""),
        _ => return None,
    };
    name.truncate(name.floor_char_boundary(NAME));
    (!name.is_empty()).then_some(name)
}

/// The value of a literal. A backslash in an ordinary one stands for itself.
pub(super) fn literal(kind: TokenKind, text: &str) -> Option<String> {
    match kind {
        TokenKind::Literal => quoted(text, false),
        TokenKind::EscapeLiteral => quoted(text.get(1..)?, true),
        TokenKind::DollarLiteral => {
            let tag = text.get(1..)?.find('$')? + 2;
            text.get(tag..text.len() - tag).map(str::to_owned)
        }
        _ => None,
    }
}

/// Reads what is between quotes, in one piece or in several on lines of their own.
fn quoted(text: &str, escapes: bool) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let stop = rest.find(|found| found == '\'' || (escapes && found == '\\'))?;
        let (before, after) = rest.split_at(stop);
        value.push_str(before);
        rest = if let Some(escaped) = after.strip_prefix('\\') {
            value.push(escape(escaped.chars().next()?)?);
            escaped.get(1..)?
        } else if let Some(doubled) = after.strip_prefix("''") {
            value.push('\'');
            doubled
        } else if let Some(next) = next_piece(&after[1..]) {
            next
        } else {
            return Some(value);
        };
    }
}

/// What is behind the opening quote of the next piece. There are line comments and space before it,
/// or else the literal is over.
fn next_piece(mut rest: &str) -> Option<&str> {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
        let Some(comment) = rest.strip_prefix("--") else {
            return rest.strip_prefix('\'');
        };
        rest = &comment[comment.find(['\n', '\r'])?..];
    }
}

const fn escape(letter: char) -> Option<char> {
    match letter {
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        // Numbers and code points; and a vertical tab is one for some versions only.
        '0'..='7' | 'x' | 'u' | 'U' | 'v' => None,
        _ if letter.is_ascii() => Some(letter),
        _ => None,
    }
}

/// A number as the server writes it: what fits an `integer` is one, all else is left as it is.
pub(super) fn number(text: &str, is_negative: bool) -> String {
    let sign = if is_negative { "-" } else { "" };
    match text.parse::<i32>() {
        Ok(0) => "0".to_owned(),
        Ok(number) => format!("{sign}{number}"),
        Err(_) => format!("{sign}{text}"),
    }
}

/// The name as the server writes it in a list.
pub(super) fn quote_identifier(name: &str) -> String {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts && plain && keywords::class(name) == Class::Free {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
