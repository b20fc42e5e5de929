//! The program again, for one figure of one contestant.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use crate::peers::contestant::Contestant;
use crate::peers::contestants::{Visit, each};

use super::{instructions, memory};

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Operations with nobody in the way, between marks.
    Free,
    /// The same with more tasks than connections.
    Busy,
    /// Tasks that wait.
    Memory,
    /// Small pools.
    Pools,
}

impl Child {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Busy => "busy",
            Self::Memory => "memory",
            Self::Pools => "pools",
        }
    }

    /// Does it for the contestant of this name.
    #[must_use]
    pub fn run(self, contestant: &str) -> ExitCode {
        end_in_time();
        let mut call = Call {
            child: self,
            contestant,
            done: false,
        };
        each(&mut call);
        if call.done {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// The arguments that make this program such a child.
    pub(super) const fn arguments(self, contestant: &str) -> [&str; 4] {
        ["--child", self.name(), "--contestant", contestant]
    }
}

impl FromStr for Child {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Free, Self::Busy, Self::Memory, Self::Pools];
        let found = all.into_iter().find(|child| child.name() == name);
        found.ok_or_else(|| format!("no child is called {name:?}"))
    }
}

/// Runs what a child does on one thread, boxed: a runtime is compiled for each type of future.
pub(super) fn alone(work: impl Future<Output = ()>) {
    let work: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(work);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be built").block_on(work);
}

/// The longest that a child may take: pools that get stuck do so in children, too.
const LONGEST: Duration = Duration::from_secs(20);

/// Sees to it that this process ends.
fn end_in_time() {
    thread::spawn(|| {
        thread::sleep(LONGEST);
        std::process::exit(3);
    });
}

struct Call<'a> {
    child: Child,
    contestant: &'a str,
    done: bool,
}

impl Visit for Call<'_> {
    fn visit<C: Contestant>(&mut self) {
        if C::NAME != self.contestant {
            return;
        }
        match self.child {
            Child::Free => instructions::child::<C>(false),
            Child::Busy => instructions::child::<C>(true),
            Child::Memory => memory::child::<C>(),
            Child::Pools => memory::pools::<C>(),
        }
        self.done = true;
    }
}
