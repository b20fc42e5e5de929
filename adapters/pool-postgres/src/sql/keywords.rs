//! The keywords that are more than words.
//!
//! Most of PostgreSQL's keywords are also ordinary names. Those that are not decide three things
//! here: what may stand where a name is due, which word before a parenthesis cannot be a function
//! of somebody's own, and which identifiers the server quotes when it writes a list. The lists are
//! those of PostgreSQL 15 (`pg_get_keywords()`, checked by a test); of a keyword that a later server
//! adds, the spelling of a `search_path` with that very name differs, and nothing else.

/// How far a word is free to be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Any name.
    Free,
    /// A column or a table, and no function or type: `coalesce`, `interval`.
    Column,
    /// A function or a type, and no column or table: `left`, `join`.
    Function,
    /// No name.
    Reserved,
}

/// The class of a word, in any case.
pub(super) fn class(word: &str) -> Class {
    let mut lower = [0; LONGEST];
    match super::spelling::lower(word.as_bytes(), &mut lower) {
        Some(lower) => of_lower(lower),
        None => Class::Free,
    }
}

/// The longest of them, `current_timestamp`.
const LONGEST: usize = 17;

#[rustfmt::skip]
fn of_lower(word: &[u8]) -> Class {
    match word {
        b"between" | b"bigint" | b"bit" | b"boolean" | b"char" | b"character" | b"coalesce" |
        b"dec" | b"decimal" | b"exists" | b"extract" | b"float" | b"greatest" | b"grouping" |
        b"inout" | b"int" | b"integer" | b"interval" | b"least" | b"national" | b"nchar" |
        b"none" | b"normalize" | b"nullif" | b"numeric" | b"out" | b"overlay" | b"position" |
        b"precision" | b"real" | b"row" | b"setof" | b"smallint" | b"substring" | b"time" |
        b"timestamp" | b"treat" | b"trim" | b"values" | b"varchar" | b"xmlattributes" |
        b"xmlconcat" | b"xmlelement" | b"xmlexists" | b"xmlforest" | b"xmlnamespaces" |
        b"xmlparse" | b"xmlpi" | b"xmlroot" | b"xmlserialize" | b"xmltable" => Class::Column,
        b"authorization" | b"binary" | b"collation" | b"concurrently" | b"cross" |
        b"current_schema" | b"freeze" | b"full" | b"ilike" | b"inner" | b"is" | b"isnull" |
        b"join" | b"left" | b"like" | b"natural" | b"notnull" | b"outer" | b"overlaps" |
        b"right" | b"similar" | b"tablesample" | b"verbose" => Class::Function,
        b"all" | b"analyse" | b"analyze" | b"and" | b"any" | b"array" | b"as" | b"asc" |
        b"asymmetric" | b"both" | b"case" | b"cast" | b"check" | b"collate" | b"column" |
        b"constraint" | b"create" | b"current_catalog" | b"current_date" | b"current_role" |
        b"current_time" | b"current_timestamp" | b"current_user" | b"default" | b"deferrable" |
        b"desc" | b"distinct" | b"do" | b"else" | b"end" | b"except" | b"false" | b"fetch" |
        b"for" | b"foreign" | b"from" | b"grant" | b"group" | b"having" | b"in" | b"initially" |
        b"intersect" | b"into" | b"lateral" | b"leading" | b"limit" | b"localtime" |
        b"localtimestamp" | b"not" | b"null" | b"offset" | b"on" | b"only" | b"or" | b"order" |
        b"placing" | b"primary" | b"references" | b"returning" | b"select" | b"session_user" |
        b"some" | b"symmetric" | b"table" | b"then" | b"to" | b"trailing" | b"true" | b"union" |
        b"unique" | b"user" | b"using" | b"variadic" | b"when" | b"where" | b"window" | b"with" => Class::Reserved,
        _ => Class::Free,
    }
}
