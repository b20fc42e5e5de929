//! What clients do, in words, in SQL, and in what must come back.

use anyhow::ensure;

use super::contestant::Client;

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One row is read by its key.
    ReadOnly,
    /// One row is read, and then the client's own row is written.
    ReadWrite,
    /// The client's own settings must be in force: a setting of the application, a role and a schema.
    Stateful,
    /// As [`ReadOnly`](Self::ReadOnly), but the statement is one that the client has prepared.
    Prepared,
    /// The client acts for another group each time, whose settings must be in force.
    Groups,
}

impl Work {
    /// In the order of the run.
    pub const ALL: [Self; 5] = [
        Self::ReadOnly,
        Self::ReadWrite,
        Self::Stateful,
        Self::Prepared,
        Self::Groups,
    ];

    /// As in records.
    #[must_use]
    pub const fn scenario(self) -> &'static str {
        match self {
            Self::ReadOnly | Self::ReadWrite => STATELESS,
            Self::Stateful => STATEFUL,
            Self::Prepared => PREPARED,
            Self::Groups => GROUPS,
        }
    }

    /// As in records.
    #[must_use]
    pub const fn variant(self) -> &'static str {
        match self {
            Self::ReadOnly => READ_ONLY,
            Self::ReadWrite => READ_WRITE,
            Self::Stateful | Self::Prepared | Self::Groups => "",
        }
    }
}

/// The scenario without state.
pub const STATELESS: &str = "sessions-stateless";
/// The scenario in which each client has settings of its own.
pub const STATEFUL: &str = "sessions-stateful";
/// The scenario in which each client has prepared its statement.
pub const PREPARED: &str = "sessions-prepared";
/// The scenario in which clients act for groups with settings in common.
pub const GROUPS: &str = "sessions-groups";
/// A variant of [`STATELESS`].
pub const READ_ONLY: &str = "read-only";
/// A variant of [`STATELESS`].
pub const READ_WRITE: &str = "read-write";

/// Reads an item (`$1`: `int8`): its value (`int8`).
pub const READ: &str = "SELECT value FROM items WHERE id = $1";
/// Writes the row of a client (`$1`: `int8`, its number).
pub const WRITE: &str = "UPDATE accounts SET turns = turns + 1 WHERE id = $1";
/// Reads back (`$1`: `int8`, always 1) what the client is, as three texts.
pub const READ_BACK: &str =
    "SELECT current_setting('app.id'), current_user::text, name FROM place WHERE id = $1";

/// How many items there are; their numbers begin at 1.
pub const ITEMS: i64 = 10_000;
/// How many roles clients share.
pub const ROLES: usize = 4;
/// How many schemas clients share; each has a table `place` with its own name in it. No divisor in
/// common with [`ROLES`], so that all pairs occur.
pub const SCHEMAS: usize = 5;

/// How many groups there are in [`Work::Groups`]; a group is what the client with its number would be.
pub const GROUP_COUNT: usize = 8;

/// The value of an item.
#[must_use]
pub const fn value_of(item: i64) -> i64 {
    item * 7 + 3
}

/// Who a client is, as its settings say in [`Work::Stateful`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// From 1; the key of its row in `accounts`.
    pub number: i64,
    /// For `app.id`; nobody else's.
    pub app: String,
    /// For `role`.
    pub role: String,
    /// For `search_path`.
    pub schema: String,
}

impl Identity {
    /// The client with that index, from 0.
    #[must_use]
    pub fn of(index: usize) -> Self {
        Self {
            number: index as i64 + 1,
            app: format!("client-{index}"),
            role: role(index % ROLES),
            schema: schema(index % SCHEMAS),
        }
    }

    /// The item of its transaction number `turn`: spread over all, the same for every contestant.
    const fn item(&self, turn: i64) -> i64 {
        let step = self.number.wrapping_mul(7_919);
        step.wrapping_add(turn.wrapping_mul(104_729))
            .rem_euclid(ITEMS)
            + 1
    }

    /// The group for which it acts in its transaction number `turn`: any, the same for every contestant.
    fn group(&self, turn: i64) -> usize {
        let seed = (self.number as u64) << 32 ^ turn as u64;
        // SplitMix64, of which the highest bits are the best.
        let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 40) as usize % GROUP_COUNT
    }
}

/// The name of a role.
#[must_use]
pub fn role(index: usize) -> String {
    format!("bench_role_{index}")
}

/// The name of a schema, and the text in its table `place`.
#[must_use]
pub fn schema(index: usize) -> String {
    format!("bench_schema_{index}")
}

/// What the server said that a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its `app.id`.
    pub app: String,
    /// Its role.
    pub role: String,
    /// What stands in the table `place` that its search path leads to.
    pub place: String,
}

impl Seen {
    fn is(&self, who: &Identity) -> bool {
        self.app == who.app && self.role == who.role && self.place == who.schema
    }
}

/// One transaction of the client `who`, and whether the server answered what it must.
///
/// # Errors
///
/// What failed, or which reply was another client's.
pub async fn transaction<C: Client>(
    work: Work,
    client: &mut C,
    who: &Identity,
    turn: i64,
) -> anyhow::Result<()> {
    let item = who.item(turn);
    let value = match work {
        Work::ReadOnly => client.read_only(item).await?,
        Work::ReadWrite => client.read_write(item, who.number).await?,
        Work::Prepared => client.prepared(item).await?,
        Work::Stateful => {
            let seen = client.read_back().await?;
            ensure!(seen.is(who), "a client read back what is not its own");
            return Ok(());
        }
        Work::Groups => {
            let group = who.group(turn);
            let seen = client.act_for(group).await?;
            let is_right = seen.is(&Identity::of(group));
            ensure!(is_right, "a client read back what is not its group's");
            return Ok(());
        }
    };
    ensure!(value == value_of(item), "a reply was that of another query");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_pairs_of_role_and_schema_occur_and_each_client_is_itself_alone() {
        let clients: Vec<Identity> = (0..1_000).map(Identity::of).collect();
        let pairs: HashSet<_> = clients.iter().map(|one| (&one.role, &one.schema)).collect();
        assert_eq!(pairs.len(), ROLES * SCHEMAS);
        let names: HashSet<_> = clients.iter().map(|one| &one.app).collect();
        assert_eq!(names.len(), clients.len());
    }

    #[test]
    fn items_are_spread_over_all_there_are() {
        let client = Identity::of(3);
        let drawn: HashSet<i64> = (0..ITEMS).map(|turn| client.item(turn)).collect();
        assert_eq!(drawn.len(), ITEMS as usize);
        assert!(drawn.iter().all(|item| (1..=ITEMS).contains(item)));
    }

    #[test]
    fn groups_are_drawn_about_equally() {
        let mut drawn = [0; GROUP_COUNT];
        for number in 0..16 {
            let client = Identity::of(number);
            (0..1_000).for_each(|turn| drawn[client.group(turn)] += 1);
        }
        assert!(
            drawn.iter().all(|times| (1_800..2_200).contains(times)),
            "{drawn:?}"
        );
    }

    #[test]
    fn each_of_the_three_settings_is_read_back() {
        let who = Identity::of(7);
        let own = Seen {
            app: who.app.clone(),
            role: who.role.clone(),
            place: who.schema.clone(),
        };
        assert!(own.is(&who));
        for change in [
            |seen: &mut Seen| seen.app.push('x'),
            |seen: &mut Seen| seen.role.push('x'),
            |seen: &mut Seen| seen.place.push('x'),
        ] {
            let mut other = own.clone();
            change(&mut other);
            assert!(!other.is(&who), "{other:?}");
        }
    }
}
