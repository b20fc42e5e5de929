use clap::Parser;

use super::options::{Choice, Claims, Output, Sessions};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    output: Output,
}

fn line(words: &str) -> Line {
    Line::try_parse_from(words.split(' ')).expect("the line can be read")
}

#[test]
fn each_program_gets_its_own_options_in_whatever_order_they_were_given() {
    let line = line("x --only heavy --html a.html --contestant bb8 --quick --only free --save n");
    assert_eq!(
        line.choice.for_peers(),
        [
            "--quick",
            "--only",
            "heavy",
            "--only",
            "free",
            "--contestant",
            "bb8"
        ]
    );
    assert_eq!(
        line.output.for_report(),
        ["--html", "a.html", "--save", "n"]
    );
}

#[test]
fn what_is_not_known_here_reaches_the_peers_after_two_dashes() {
    let line = line("x --rounds 3 --seed 7 -- --brand-new 1");
    assert_eq!(
        line.choice.for_peers(),
        ["--rounds", "3", "--seed", "7", "--brand-new", "1"]
    );
    assert!(line.output.for_report().is_empty());
}

#[derive(Debug, Parser)]
struct ClaimsLine {
    #[command(flatten)]
    claims: Claims,
}

#[test]
fn claims_get_their_options_as_they_were_given() {
    let words = "x --sabotage --row H1 --json a.json --seeds 2 --row P3";
    let line = ClaimsLine::try_parse_from(words.split(' ')).expect("the line can be read");
    let given = [
        "--row",
        "H1",
        "--row",
        "P3",
        "--seeds",
        "2",
        "--json",
        "a.json",
        "--sabotage",
    ];
    assert_eq!(line.claims.for_claims(), given);
}

#[derive(Debug, Parser)]
struct SessionsLine {
    #[command(flatten)]
    sessions: Sessions,
}

#[test]
fn sessions_get_every_option_that_is_given() {
    let words = "x --assert --only a --quick --rounds 3 --json f --contestant b --clients 9 --list";
    let line = SessionsLine::try_parse_from(words.split(' ')).expect("the line can be read");
    let given = [
        "--json",
        "f",
        "--rounds",
        "3",
        "--clients",
        "9",
        "--only",
        "a",
        "--contestant",
        "b",
        "--quick",
        "--assert",
        "--list",
    ];
    assert_eq!(line.sessions.for_sessions(), given);
}
