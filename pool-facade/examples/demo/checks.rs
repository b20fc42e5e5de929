//! What must hold at the end, whatever happened.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pool_facade::{CloseReport, Condition, Manager};

use crate::bank::{Audit, Bank, OPENING_BALANCE, Order};
use crate::clock;
use crate::records::Notes;
use crate::workload::Workload;

/// A check and how it went.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) rule: &'static str,
    pub(crate) holds: bool,
    pub(crate) seen: String,
}

impl Check {
    const fn new(rule: &'static str, holds: bool, seen: String) -> Self {
        Self { rule, holds, seen }
    }
}

/// How long the database may take to notice what the pool has closed.
const SETTLING: Duration = Duration::from_secs(15);

/// The pool and the database must count the same connections.
pub(crate) async fn counts_agree<B: Bank>(load: &Workload<B>) -> anyhow::Result<Check> {
    const RULE: &str = "connections opened - closed = open by the database's own count";
    let gives_up = clock::now() + SETTLING;
    loop {
        // A connection that the server has ended while it was idle is only noticed when looked at.
        let manager = load.pool.manager();
        load.pool
            .retain(|conn, _| manager.condition(conn) != Condition::Broken);
        let status = load.pool.status();
        let by_pool = status.opened - status.closed;
        let by_database = load.bank.open_connections(manager).await?;
        let seen = format!(
            "{} - {} = {by_pool}, the database counts {by_database}",
            status.opened, status.closed
        );
        if by_pool == by_database {
            return Ok(Check::new(RULE, true, seen));
        }
        if clock::now() >= gives_up {
            return Ok(Check::new(RULE, false, seen));
        }
        clock::sleep(Duration::from_millis(20)).await;
    }
}

/// A closed pool must leave nothing open.
pub(crate) async fn nothing_left_open<B: Bank>(
    load: &Workload<B>,
    report: &CloseReport,
) -> anyhow::Result<Check> {
    const RULE: &str = "a closed pool leaves no connection open";
    let gives_up = clock::now() + SETTLING;
    let mut open = load.bank.open_connections(load.pool.manager()).await?;
    while open > 0 && clock::now() < gives_up {
        clock::sleep(Duration::from_millis(20)).await;
        open = load.bank.open_connections(load.pool.manager()).await?;
    }
    let seen = format!(
        "{open} open, {} leases held, {} still closing",
        report.still_held.len(),
        report.still_closing
    );
    Ok(Check::new(RULE, open == 0 && report.is_complete(), seen))
}

/// No connection may have had two holders.
pub(crate) fn one_owner(violations: u64) -> Check {
    let seen = format!("{violations} times in two hands");
    Check::new(
        "a connection has one owner at a time",
        violations == 0,
        seen,
    )
}

/// No session may see what another has set.
pub(crate) fn own_only(looks: u64, foreign: u64) -> Check {
    Check::new(
        "every session read back only its own",
        foreign == 0 && looks > 0,
        format!("{looks} looks, {foreign} at something else"),
    )
}

/// Sessions may be many, connections not.
pub(crate) fn few_connections(opened: u64, most: u32) -> Check {
    Check::new(
        "no more connections than there may be",
        opened <= u64::from(most),
        format!("{opened} opened of {most}"),
    )
}

/// Who does not use sessions must not notice that others do.
pub(crate) fn nothing_left_on_connections(plain: u32, connections: u32) -> Check {
    Check::new(
        "a plain lease sees nothing of any session",
        plain == connections,
        format!("{plain} of {connections} connections"),
    )
}

/// The books against what the tasks know.
pub(crate) fn books(audit: &Audit, notes: &Notes, accounts: u32) -> Vec<Check> {
    let mut checks = vec![
        money_kept(audit, accounts),
        balances_follow(audit, accounts),
    ];
    checks.extend(ledger_matches(audit, notes));
    checks
}

fn money_kept(audit: &Audit, accounts: u32) -> Check {
    let expected = i64::from(accounts) * OPENING_BALANCE;
    let sum: i64 = audit.balances.iter().map(|(_, balance)| balance).sum();
    let count = audit.balances.len();
    Check::new(
        "no money is made or lost",
        sum == expected && count == accounts as usize,
        format!("{sum} in {count} accounts, {expected} at first"),
    )
}

/// Told apart from the sum, because two updates that overwrote each other may cancel out.
fn balances_follow(audit: &Audit, accounts: u32) -> Check {
    let opening = (0..accounts).map(|account| (account, OPENING_BALANCE));
    let mut expected: HashMap<u32, i64> = opening.collect();
    for order in &audit.ledger {
        *expected.entry(order.from).or_default() -= order.amount;
        *expected.entry(order.to).or_default() += order.amount;
    }
    let differs = |(account, balance): &&(u32, i64)| expected.get(account) != Some(balance);
    let wrong = audit.balances.iter().filter(differs).count();
    Check::new(
        "every balance follows from the ledger",
        wrong == 0,
        format!("{wrong} of {accounts} differ"),
    )
}

fn ledger_matches(audit: &Audit, notes: &Notes) -> [Check; 3] {
    let ids = |orders: &[Order]| orders.iter().map(|order| order.id).collect::<HashSet<_>>();
    let ledger = ids(&audit.ledger);
    let acknowledged: HashSet<_> = notes.acknowledged.iter().copied().collect();
    let in_doubt: HashSet<_> = notes.in_doubt.iter().copied().collect();

    let lost = acknowledged.difference(&ledger).count();
    let present = in_doubt.intersection(&ledger).count();
    let known = |id: &&u64| !acknowledged.contains(*id) && !in_doubt.contains(*id);
    let invented = ledger.iter().filter(known).count();
    [
        Check::new(
            "every acknowledged transfer is in the ledger",
            lost == 0,
            format!("{} acknowledged, {lost} lost", acknowledged.len()),
        ),
        Check::new(
            "nothing else is in the ledger, but transfers in doubt",
            invented == 0,
            format!(
                "{} not committed, {invented} of them found",
                notes.not_committed
            ),
        ),
        Check::new(
            "ledger rows = acknowledged transfers + those in doubt that went through",
            ledger.len() == audit.ledger.len() && ledger.len() == acknowledged.len() + present,
            format!(
                "{} = {} + {present} of {}",
                ledger.len(),
                acknowledged.len(),
                in_doubt.len()
            ),
        ),
    ]
}
