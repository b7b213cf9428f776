//! Sets of values.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    name_set::NameSet,
    number::{Exact, Number},
    scalar::{Case, Scalar},
    text::fold,
};
use crate::model::InvalidOperand;

/// A set of values; a value matches if it is equal to any of them.
#[derive(Debug, Default)]
pub(crate) struct Values {
    texts: Option<NameSet>,
    /// The strings in lower case, if case is ignored.
    folded: Option<HashTable<Folded>>,
    numbers: Option<HashTable<Exact>>,
    /// Flags that are set if `false` and `true` are among the values.
    bools: Option<[bool; 2]>,
}

/// A string in lower case, and its hash.
type Folded = (u64, Box<str>);

impl Values {
    pub(super) fn new<'v>(
        values: impl IntoIterator<Item = Result<Scalar<'v>, InvalidOperand>>,
        case: Case,
    ) -> Result<Self, InvalidOperand> {
        let (mut texts, mut numbers, mut bools) = (Vec::new(), Vec::new(), None);
        for (index, value) in values.into_iter().enumerate() {
            match value? {
                Scalar::Text(text) => texts.push(text.to_owned()),
                Scalar::Bool(value) => bools.get_or_insert([false; 2])[usize::from(value)] = true,
                Scalar::Number(number) => match number.canonical() {
                    Some(number) => numbers.push(number),
                    None => return Err(InvalidOperand::new("nothing is equal to `nan`").at(index)),
                },
            }
        }
        let numbers = (!numbers.is_empty())
            .then(|| table(numbers.into_iter().map(|number| (hash_number(number), number))));
        let folded = (case == Case::Ignored && !texts.is_empty()).then(|| {
            let texts = texts.drain(..).map(|text| fold(&text).collect::<String>());
            table(texts.map(|text| {
                let hash = hash_letters(text.chars());
                (hash, (hash, text.into()))
            }))
        });
        Ok(Self { texts: NameSet::new(&texts), folded, numbers, bools })
    }

    /// Returns true if the string is one of the values; `None` if none of them is a string. `hash`
    /// computes its XXH3.
    #[inline(never)]
    pub(super) fn contain_text(&self, text: &str, hash: impl FnOnce() -> u64) -> Option<bool> {
        match &self.texts {
            Some(NameSet::Short(texts)) => Some(texts.contain(text)),
            Some(texts) => Some(is_among(texts, text, hash)),
            None => self.contain_folded(text),
        }
    }

    #[inline(never)]
    fn contain_folded(&self, text: &str) -> Option<bool> {
        let Some(known) = &self.folded else { return self.contain_another_type() };
        let same = |(_, known): &Folded| known.chars().eq(fold(text));
        Some(known.find(hash_letters(fold(text)), same).is_some())
    }

    /// Returns true if the boolean is one of the values; `None` if none of them is a boolean.
    pub(super) fn contain_bool(&self, value: bool) -> Option<bool> {
        match self.bools {
            Some(known) => Some(known[usize::from(value)]),
            None => self.contain_another_type(),
        }
    }

    /// Returns true if the number is one of the values; `None` if none of them is a number.
    pub(super) fn contain_number(&self, number: Number) -> Option<bool> {
        match &self.numbers {
            // Not-a-number is equal to nothing.
            Some(known) => Some(number.canonical().is_some_and(|number| {
                known.find(hash_number(number), |known| *known == number).is_some()
            })),
            None => self.contain_another_type(),
        }
    }

    /// Returns the answer for a type that no value has: unknown, or false for an empty set.
    fn contain_another_type(&self) -> Option<bool> {
        let Self { texts, folded, numbers, bools } = self;
        let is_empty = texts.is_none() && folded.is_none() && numbers.is_none() && bools.is_none();
        is_empty.then_some(false)
    }
}

// A function of its own, since a set of short strings calls nothing.
#[inline(never)]
fn is_among(texts: &NameSet, text: &str, hash: impl FnOnce() -> u64) -> bool {
    texts.contains(text, hash)
}

fn table<T>(members: impl Iterator<Item = (u64, T)>) -> HashTable<T> {
    let members: Vec<_> = members.collect();
    let mut table = HashTable::with_capacity(members.len());
    for (hash, member) in members {
        // The room was reserved beforehand, so nothing is hashed again.
        table.insert_unique(hash, member, |_| hash);
    }
    table
}

fn hash_number(number: Exact) -> u64 {
    let bits = match number {
        Exact::Integer(number) => number.cast_unsigned(),
        Exact::Float(bits) => bits,
    };
    xxh3_64(&bits.to_le_bytes())
}

/// Hashes letters one by one (FNV-1a), since XXH3 would need them in one piece.
fn hash_letters(letters: impl Iterator<Item = char>) -> u64 {
    letters.fold(0xcbf2_9ce4_8422_2325, |hash, letter| {
        (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0100_0000_01b3)
    })
}
