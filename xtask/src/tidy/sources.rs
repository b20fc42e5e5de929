//! Rules on source files.
//!
//! Code is looked at as tokens, not as text, so that a word in a comment or a string is no
//! mistake. What is forbidden in comments is looked for in the text.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Problem, manifests::has_word};
use crate::edges::{SHIM, UNSAFE};

/// The most lines in a file.
const MAX_LINES: usize = 600;
/// Words that promise work instead of doing it. Put together here, or this file would break the rule.
const PROMISES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// All rules on the file at `place`, a path below the root with forward slashes.
pub(super) fn check(place: &str, text: &str) -> Vec<Problem> {
    let mut problems = check_text(place, text);
    match text.parse::<TokenStream>() {
        Ok(stream) => {
            let mut tokens = Vec::new();
            flatten(stream, &mut tokens);
            problems.extend(check_tokens(place, &tokens));
        }
        Err(error) => {
            let what = format!("this is no Rust: {error}");
            problems.push(Problem::new(place, what, "see what `cargo check` says"));
        }
    }
    problems
}

fn check_text(place: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    // A file of white-box tests is documented by the module it tests.
    let documented = first.starts_with("//!") || place.ends_with("/tests.rs");
    if place.contains("/src/") && !documented {
        let cure = "begin the file with `//!` and say why the module is there";
        problems.push(Problem::new(place, "the module has no documentation", cure));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let what = format!("{lines} lines; the limit is {MAX_LINES}");
        problems.push(Problem::new(place, what, "split it by nouns"));
    }
    for (index, line) in text.lines().enumerate() {
        for word in PROMISES.into_iter().filter(|word| has_word(line, word)) {
            let place = format!("{place}:{}", index + 1);
            let what = format!("`{word}` promises work that nobody does");
            problems.push(Problem::new(place, what, "do it, or open an issue"));
        }
    }
    problems
}

/// A token without its nesting: a word, one character of punctuation, or a bracket.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: &str| {
            out.push(Token {
                text: text.to_owned(),
                line,
            })
        };
        match tree {
            TokenTree::Ident(word) => push(&word.to_string()),
            TokenTree::Punct(mark) => push(&mark.as_char().to_string()),
            TokenTree::Literal(_) => push("literal"),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
                };
                push(open);
                flatten(group.stream(), out);
                let line = group.span_close().start().line;
                out.push(Token {
                    text: close.to_owned(),
                    line,
                });
            }
        }
    }
}

fn check_tokens(place: &str, tokens: &[Token]) -> Vec<Problem> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    // White-box tests count with the real ones: loom does not run them.
    let is_test = place.starts_with("pool-core/src/queue/tests");
    let shimmed = place.starts_with("pool-core/src/queue/") && !is_test && !SHIM.contains(&place);
    let mut problems = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let (before, rest) = (&texts[..index], &texts[index..]);
        let found = banned_macro(rest)
            .or_else(|| ignored_test(rest))
            .or_else(|| misplaced_unsafe(place, rest))
            .or_else(|| {
                if shimmed {
                    direct_atomic(before, rest)
                } else {
                    None
                }
            });
        if let Some((what, cure)) = found {
            problems.push(Problem::new(format!("{place}:{}", token.line), what, cure));
        }
    }
    problems
}

/// What is wrong and what helps.
type Finding = (&'static str, &'static str);

fn banned_macro(rest: &[&str]) -> Option<Finding> {
    match rest {
        ["dbg", "!", "(" | "[" | "{", ..] => Some(("`dbg!` is left over", "take it out")),
        ["todo", "!", "(" | "[" | "{", ..] => Some(("`todo!` is not done", "do it")),
        _ => None,
    }
}

fn ignored_test(rest: &[&str]) -> Option<Finding> {
    let finding = Some((
        "the test is switched off by `#[ignore]`",
        "mend it, or take it out; a slow one belongs into a bench or behind a bound",
    ));
    match rest {
        ["#", "[", "ignore", ..] => finding,
        ["#", "[", "cfg_attr", inside @ ..] => {
            let end = inside
                .iter()
                .position(|text| *text == "]")
                .unwrap_or(inside.len());
            finding.filter(|_| inside[..end].contains(&"ignore"))
        }
        _ => None,
    }
}

fn misplaced_unsafe(place: &str, rest: &[&str]) -> Option<Finding> {
    let allowed = || UNSAFE.iter().any(|(path, _)| in_place(path, place));
    (rest.first() == Some(&"unsafe") && !allowed()).then_some((
        "`unsafe` outside the queue",
        "use what the queue offers safely; else add the file to UNSAFE in xtask/src/edges.rs, with \
         the reason",
    ))
}

fn in_place(path: &str, place: &str) -> bool {
    if path.ends_with('/') {
        place.starts_with(path)
    } else {
        place == path
    }
}

/// `sync::atomic` that is not reached through the shim, in whatever way the path is split up.
fn direct_atomic(before: &[&str], rest: &[&str]) -> Option<Finding> {
    let ["sync", ":", ":", after @ ..] = rest else {
        return None;
    };
    let names_atomics = match after {
        ["atomic", ..] => true,
        ["{", group @ ..] => group
            .iter()
            .take_while(|text| **text != ";")
            .any(|t| *t == "atomic"),
        _ => false,
    };
    let through_shim = match before {
        [.., parent, ":", ":"] => !matches!(*parent, "std" | "core" | "loom"),
        _ => false,
    };
    (names_atomics && !through_shim).then_some((
        "the queue uses atomics past its shim, where no model sees them",
        "take them from pool-core/src/queue/sync.rs",
    ))
}
