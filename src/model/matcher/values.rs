//! Sets of values.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::{Case, NameSet, Scalar, number::Exact, text::fold};
use crate::model::InvalidOperand;

/// Values of which any may be equal.
#[derive(Debug, Default)]
pub(crate) struct Values {
    texts: Option<NameSet>,
    /// The texts instead, when case is ignored.
    folded: Option<HashTable<Folded>>,
    numbers: Option<Numbers>,
    /// Whether `false` and `true` are among them.
    bools: Option<[bool; 2]>,
}

/// A text in lower case, and its hash.
type Folded = (u64, Box<str>);

#[derive(Debug)]
enum Numbers {
    One(Exact),
    Many(HashTable<Exact>),
}

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
        let numbers = match *numbers {
            [] => None,
            [number] => Some(Numbers::One(number)),
            _ => Some(Numbers::Many(table(numbers.into_iter().map(|n| (hash_number(n), n))))),
        };
        let folded = (case == Case::Ignored && !texts.is_empty()).then(|| {
            let texts = texts.drain(..).map(|text| fold(&text).collect::<String>());
            table(texts.map(|text| {
                let hash = hash_letters(text.chars());
                (hash, (hash, text.into()))
            }))
        });
        Ok(Self { texts: NameSet::new(Some(&texts)), folded, numbers, bools })
    }

    /// Whether one of them is equal; `None` if none of them is of that type.
    #[inline]
    pub(super) fn contain(&self, seen: Scalar<'_>, hash: impl FnOnce() -> u64) -> Option<bool> {
        match (seen, &self.texts) {
            (Scalar::Text(text), Some(texts)) => Some(texts.contains(text, hash)),
            _ => self.contain_other(seen),
        }
    }

    #[inline(never)]
    fn contain_other(&self, seen: Scalar<'_>) -> Option<bool> {
        let contains = match seen {
            Scalar::Text(text) => self.folded.as_ref().map(|known| {
                let same = |(_, known): &Folded| known.chars().eq(fold(text));
                known.find(hash_letters(fold(text)), same).is_some()
            }),
            Scalar::Bool(value) => self.bools.map(|known| known[usize::from(value)]),
            Scalar::Number(number) => self.numbers.as_ref().map(|known| {
                // Not-a-number is equal to nothing.
                number.canonical().is_some_and(|number| known.contain(number))
            }),
        };
        match contains {
            None if self.is_empty() => Some(false),
            contains => contains,
        }
    }

    fn is_empty(&self) -> bool {
        self.texts.is_none()
            && self.folded.is_none()
            && self.numbers.is_none()
            && self.bools.is_none()
    }
}

impl Numbers {
    fn contain(&self, number: Exact) -> bool {
        match self {
            Self::One(known) => *known == number,
            Self::Many(known) => {
                known.find(hash_number(number), |known| *known == number).is_some()
            }
        }
    }
}

fn table<T>(members: impl Iterator<Item = (u64, T)>) -> HashTable<T> {
    let members: Vec<_> = members.collect();
    let mut table = HashTable::with_capacity(members.len());
    for (hash, member) in members {
        // The room was made beforehand, so that nothing is hashed again.
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

/// FNV-1a: it needs no text in one piece.
fn hash_letters(letters: impl Iterator<Item = char>) -> u64 {
    letters.fold(0xcbf2_9ce4_8422_2325, |hash, letter| {
        (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0100_0000_01b3)
    })
}
