//! A minimal evaluation written by hand, which the benches compare with.
//!
//! It reads a snapshot in a thread-local, checked by one version number. It makes one probe of a flat table, one
//! XXH3 of the key and one comparison, and then evaluates the rule. There are no sources, no details, no unknown flags
//! and no contexts that own their strings.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The rule of a flag.
pub(crate) enum Rule {
    Constant(bool),
    Targeted { users: Vec<String>, groups: Vec<String>, percent: u32 },
}

/// The user and the groups of a call, on the stack.
pub(crate) struct Who<'a> {
    user: &'a str,
    hash: u64,
    groups: &'a [String],
}

impl<'a> Who<'a> {
    #[inline]
    pub(crate) fn new(user: &'a str, groups: &'a [String]) -> Self {
        Self::hashed(user, 0, groups)
    }

    /// Creates it with a hash of the user that was computed before.
    #[inline]
    pub(crate) fn hashed(user: &'a str, hash: u64, groups: &'a [String]) -> Self {
        Self { user, hash, groups }
    }

    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        match self.hash {
            0 => xxh3_64(self.user.as_bytes()),
            hash => hash,
        }
    }
}

/// The flags of the reference.
pub(crate) struct Reference {
    version: AtomicU64,
    current: Mutex<Arc<Table>>,
}

struct Table {
    /// An open-addressing table of hash, name and slot. Its size is a power of two, and it is at most half full.
    names: Vec<Option<(u64, Box<str>, usize)>>,
    flags: Vec<Flag>,
}

#[expect(clippy::large_enum_variant, reason = "a flag is in one piece")]
enum Flag {
    Constant(bool),
    Targeted(Targeted),
}

struct Targeted {
    /// The hash and the name of each user. The name is compared only if the hashes are equal.
    users: [Option<(u64, Box<str>)>; 32],
    groups: Vec<String>,
    seed: u64,
    threshold: u64,
}

thread_local! {
    static LAST: RefCell<Option<(u64, Arc<Table>)>> = const { RefCell::new(None) };
}

static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl Reference {
    pub(crate) fn new(rules: impl ExactSizeIterator<Item = (String, Rule)>) -> Self {
        let mut names = vec![None; (rules.len() * 2).next_power_of_two()];
        let mut flags = Vec::with_capacity(rules.len());
        for (name, rule) in rules {
            let hash = xxh3_64(name.as_bytes());
            let free = free(&names, hash);
            names[free] = Some((hash, name.as_str().into(), flags.len()));
            flags.push(Flag::new(&name, rule));
        }
        Self {
            version: AtomicU64::new(VERSIONS.fetch_add(1, Ordering::Relaxed)),
            current: Mutex::new(Arc::new(Table { names, flags })),
        }
    }

    #[inline]
    pub(crate) fn by_name(&self, name: &str, who: &Who<'_>) -> bool {
        self.with(|table| table.find(name).is_some_and(|slot| table.flags[slot].is_on(who)))
    }

    #[inline]
    pub(crate) fn by_handle(&self, slot: usize, who: &Who<'_>) -> bool {
        self.with(|table| table.flags[slot].is_on(who))
    }

    #[inline]
    fn with(&self, ask: impl Fn(&Table) -> bool) -> bool {
        let version = self.version.load(Ordering::Acquire);
        let answer = LAST.try_with(|last| {
            let last = last.try_borrow().ok()?;
            let (_, table) = last.as_ref().filter(|(known, _)| *known == version)?;
            Some(ask(table))
        });
        match answer {
            Ok(Some(on)) => on,
            Ok(None) | Err(_) => self.refresh(version, ask),
        }
    }

    #[cold]
    fn refresh(&self, version: u64, ask: impl Fn(&Table) -> bool) -> bool {
        let current = Arc::clone(&self.current.lock().expect("no panics"));
        LAST.with_borrow_mut(|last| *last = Some((version, Arc::clone(&current))));
        ask(&current)
    }
}

impl Table {
    #[inline]
    fn find(&self, name: &str) -> Option<usize> {
        let hash = xxh3_64(name.as_bytes());
        let mut at = hash as usize;
        loop {
            match &self.names[at & (self.names.len() - 1)] {
                None => return None,
                Some((known, text, slot)) if *known == hash && **text == *name => {
                    return Some(*slot);
                }
                Some(_) => at += 1,
            }
        }
    }
}

impl Flag {
    fn new(name: &str, rule: Rule) -> Self {
        let Rule::Targeted { users, groups, percent } = rule else {
            let Rule::Constant(on) = rule else { unreachable!("there are two") };
            return Self::Constant(on);
        };
        let mut known = [const { None }; 32];
        for user in users {
            let hash = xxh3_64(user.as_bytes());
            let mut at = hash as usize % 32;
            while known[at].is_some() {
                at = (at + 1) % 32;
            }
            known[at] = Some((hash, user.into()));
        }
        let seed = xxh3_64([name.as_bytes(), b"\0rollout"].concat().as_slice());
        let threshold = ((u128::from(percent) << 64) / 100) as u64;
        Self::Targeted(Targeted { users: known, groups, seed, threshold })
    }

    #[inline]
    fn is_on(&self, who: &Who<'_>) -> bool {
        match self {
            Self::Constant(on) => *on,
            Self::Targeted(targeted) => targeted.is_on(who),
        }
    }
}

impl Targeted {
    // Not inlined, so that the lookups above are.
    #[inline(never)]
    fn is_on(&self, who: &Who<'_>) -> bool {
        let hash = who.hash();
        let mut at = hash as usize % 32;
        while let Some((known, text)) = &self.users[at] {
            if *known == hash && **text == *who.user {
                return true;
            }
            at = (at + 1) % 32;
        }
        who.groups.iter().any(|group| self.groups.contains(group))
            || xxh3_64_with_seed(&hash.to_le_bytes(), self.seed) < self.threshold
    }
}

fn free(names: &[Option<(u64, Box<str>, usize)>], hash: u64) -> usize {
    let mask = names.len() - 1;
    let mut at = hash as usize & mask;
    while names[at].is_some() {
        at = (at + 1) & mask;
    }
    at
}
