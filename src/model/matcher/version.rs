//! Versions and requirements on them.
//!
//! A requirement is written as in Cargo. Each part of it is compiled to the versions between two
//! bounds, ordered as SemVer 2.0.0 (clause 11) orders them. A `v` before a version, as in tags, is
//! ignored. The same releases match as in Cargo. Cargo leaves out pre-releases that a requirement
//! does not ask for, since it chooses versions for people. Here the version is a fact, and
//! `5.1.0-beta` is older than `5.2.0`.

use std::{borrow::Cow, cmp::Ordering, ops};

use semver::{Comparator, Op, VersionReq};

use crate::model::InvalidOperand;

/// Requirements; a version matches if it meets any of them.
#[derive(Debug)]
pub(crate) struct Requirements(Box<[Requirement]>);

/// A requirement: all of the ranges have to contain the version.
#[derive(Debug)]
pub(super) struct Requirement {
    ranges: Box<[Range]>,
    /// The packed versions that all of the ranges contain.
    packed: ops::Range<Packed>,
}

/// The versions between two bounds.
#[derive(Debug, Default)]
struct Range {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

/// A common version in one word: a release whose numbers are less than [`PACKED_END`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Packed(u64);

const PACKED_BITS: u32 = 20;
const PACKED_END: u64 = 1 << PACKED_BITS;

#[derive(Debug)]
struct Bound {
    core: [u64; 3],
    pre: Box<str>,
    inclusive: bool,
}

/// The version that a context has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version<'v> {
    core: [u64; 3],
    /// Empty for a release.
    pre: &'v str,
}

impl Requirements {
    pub(super) fn new(requirements: Vec<Requirement>) -> Self {
        Self(requirements.into())
    }

    /// Returns true if one of the requirements allows the version; `None` if the string is not a
    /// version.
    #[inline(never)]
    pub(super) fn allow(&self, text: &str) -> Option<bool> {
        match Packed::parse(text) {
            Some(version) => Some(self.0.iter().any(|it| it.packed.contains(&version))),
            None => self.allow_rarely(text),
        }
    }

    #[cold]
    fn allow_rarely(&self, text: &str) -> Option<bool> {
        let version = Version::parse(release(text))?;
        let allows = |it: &Requirement| it.ranges.iter().all(|range| range.contains(version));
        Some(self.0.iter().any(allows))
    }

    /// Returns the indices of the requirements that no version meets, since one range ends before
    /// another one begins.
    #[cfg(feature = "definition")]
    pub(crate) fn contradictions(&self) -> impl Iterator<Item = usize> {
        let is_empty = |Requirement { ranges, .. }: &Requirement| {
            ranges.iter().any(|a| ranges.iter().any(|b| a.ends_before(b)))
        };
        self.0.iter().enumerate().filter(move |(_, one)| is_empty(one)).map(|(index, _)| index)
    }
}

pub(super) fn requirement(text: &str) -> Result<Requirement, InvalidOperand> {
    let requirement = VersionReq::parse(&without_v(text)).map_err(|error| {
        InvalidOperand::not(format!("a version requirement such as `<5.2.0`: {error}"))
    })?;
    Ok(Requirement::new(requirement.comparators.iter().map(Range::of).collect()))
}

/// Returns the requirement without the `v` before its versions: `>=v1.2` becomes `>=1.2`.
fn without_v(required: &str) -> Cow<'_, str> {
    if !required.contains(['v', 'V']) {
        return required.into();
    }
    let part = |part: &str| {
        let start = part.find(|c: char| !matches!(c, '=' | '>' | '<' | '~' | '^' | ' '));
        let (operator, version) = part.split_at(start.unwrap_or(part.len()));
        format!("{operator}{}", release(version))
    };
    required.split(',').map(part).collect::<Vec<_>>().join(",").into()
}

/// Returns the version without the `v` that many tags and clients write before it.
#[inline]
fn release(text: &str) -> &str {
    text.strip_prefix(['v', 'V']).unwrap_or(text)
}

impl Requirement {
    fn new(ranges: Box<[Range]>) -> Self {
        let both =
            |a: ops::Range<Packed>, b: ops::Range<Packed>| a.start.max(b.start)..a.end.min(b.end);
        let packed = ranges.iter().map(Range::packed).fold(Range::default().packed(), both);
        Self { ranges, packed }
    }
}

/// The least pre-release of a version.
const LEAST: &str = "0";

impl Range {
    fn of(comparator: &Comparator) -> Self {
        let &Comparator { op, major, minor, patch, ref pre } = comparator;
        let core = [major, minor.unwrap_or(0), patch.unwrap_or(0)];
        // The count of the numbers that are written.
        let parts = 1 + usize::from(minor.is_some()) + usize::from(patch.is_some());
        let is_whole = parts == 3;
        let this = |inclusive| Some(Bound { core, pre: pre.as_str().into(), inclusive });
        // The first of all versions whose numbers begin with `core`.
        let first = |core, inclusive| Some(Bound { core, pre: LEAST.into(), inclusive });
        // The start of the versions after all that agree with `core` in so many numbers.
        let next = |parts| successor(core, parts).map(|core| (core, LEAST));
        let end = |parts, inclusive| {
            next(parts).map(|(core, pre)| Bound { core, pre: pre.into(), inclusive })
        };
        match op {
            Op::Exact if is_whole => Self { lower: this(true), upper: this(true) },
            Op::Exact | Op::Wildcard => Self { lower: this(true), upper: end(parts, false) },
            Op::Greater if is_whole => Self { lower: this(false), upper: None },
            // No version comes after the largest number.
            Op::Greater => match end(parts, true) {
                None => Self { lower: this(false), upper: this(false) },
                lower => Self { lower, upper: None },
            },
            Op::GreaterEq => Self { lower: this(true), upper: None },
            Op::Less if is_whole => Self { lower: None, upper: this(false) },
            Op::Less => Self { lower: None, upper: first(core, false) },
            Op::LessEq if is_whole => Self { lower: None, upper: this(true) },
            Op::LessEq => Self { lower: None, upper: end(parts, false) },
            Op::Tilde => Self { lower: this(true), upper: end(parts.min(2), false) },
            // The first number that is not zero may not change.
            _ => {
                let fixed = core.iter().take(parts).position(|&number| number > 0);
                let fixed = fixed.map_or(parts, |index| index + 1);
                Self { lower: this(true), upper: end(fixed, false) }
            }
        }
    }

    /// Returns the packed versions in this range.
    fn packed(&self) -> ops::Range<Packed> {
        let start = self.lower.as_ref().map_or(Packed(0), |lower| {
            Packed::first(lower.core, lower.pre.is_empty() && !lower.inclusive)
        });
        let end = self.upper.as_ref().map_or(Packed(u64::MAX), |upper| {
            Packed::first(upper.core, upper.pre.is_empty() && upper.inclusive)
        });
        start..end
    }

    fn contains(&self, version: Version<'_>) -> bool {
        let side = |bound: &Option<Bound>, side| match bound {
            None => true,
            Some(bound) => match version.compare(bound) {
                Ordering::Equal => bound.inclusive,
                order => order == side,
            },
        };
        side(&self.lower, Ordering::Greater) && side(&self.upper, Ordering::Less)
    }

    /// Returns true if every version of the other range is greater.
    #[cfg(feature = "definition")]
    fn ends_before(&self, other: &Self) -> bool {
        let (Some(upper), Some(lower)) = (&self.upper, &other.lower) else { return false };
        match (Version { core: upper.core, pre: &upper.pre }).compare(lower) {
            Ordering::Less => true,
            Ordering::Equal => !(upper.inclusive && lower.inclusive),
            Ordering::Greater => false,
        }
    }
}

/// Returns the first numbers after all that agree in the first `parts`, if there are any.
fn successor(mut core: [u64; 3], parts: usize) -> Option<[u64; 3]> {
    for (index, number) in core.iter_mut().enumerate() {
        if index >= parts {
            *number = 0;
        }
    }
    for number in core.iter_mut().take(parts).rev() {
        match number.checked_add(1) {
            Some(next) => {
                *number = next;
                return Some(core);
            }
            None => *number = 0,
        }
    }
    None
}

impl Packed {
    #[inline]
    fn parse(text: &str) -> Option<Self> {
        let ([major, minor, patch], end) = numbers(text)?;
        let is_everyday = end == text.len() && (major | minor | patch) < PACKED_END;
        is_everyday.then_some(Self((major << PACKED_BITS | minor) << PACKED_BITS | patch))
    }

    /// Returns the first packed version that is not less than a release of these numbers, or that
    /// is greater.
    fn first(core: [u64; 3], greater: bool) -> Self {
        let mut packed = 0;
        for (part, number) in (0..).zip(core) {
            if number >= PACKED_END {
                // Versions with the next number come after all that are packed so far.
                return Self((packed + 1) << (PACKED_BITS * (3 - part)));
            }
            packed = packed << PACKED_BITS | number;
        }
        Self(packed + u64::from(greater))
    }
}

impl<'v> Version<'v> {
    /// Parses a version (SemVer 2.0.0). Numbers may be missing at the end: `5.2` is `5.2.0`.
    fn parse(text: &'v str) -> Option<Self> {
        let (core, end) = numbers(text)?;
        let pre = if end == text.len() { "" } else { suffix(&text[end..])? };
        Some(Self { core, pre })
    }

    fn compare(self, bound: &Bound) -> Ordering {
        self.core.cmp(&bound.core).then_with(|| compare_pre(self.pre, &bound.pre))
    }
}

/// Returns the numbers that a version begins with, and the index at which they end.
#[inline(always)]
fn numbers(text: &str) -> Option<([u64; 3], usize)> {
    let (mut numbers, mut end) = ([0; 3], 0);
    for (part, place) in numbers.iter_mut().enumerate() {
        if part > 0 {
            match text.as_bytes().get(end) {
                Some(b'.') => end += 1,
                _ => break,
            }
        }
        (*place, end) = number(text, end)?;
    }
    Some((numbers, end))
}

/// Returns the number that begins at `start`, and the index at which it ends.
#[inline]
fn number(text: &str, start: usize) -> Option<(u64, usize)> {
    let digit = |place: usize| {
        let digit = text.as_bytes().get(place)?.wrapping_sub(b'0');
        (digit < 10).then_some(u64::from(digit))
    };
    let (mut number, mut end) = (digit(start)?, start + 1);
    while let Some(digit) = digit(end) {
        // Only zero itself begins with a zero.
        if number == 0 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit)?;
        end += 1;
    }
    Some((number, end))
}

/// Returns the pre-release in the text after the numbers, if it is well formed.
#[cold]
fn suffix(text: &str) -> Option<&str> {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_identifier = |word: &str| {
        let padded = word.len() > 1 && word.starts_with('0');
        is_word(word) && !(padded && word.bytes().all(|b| b.is_ascii_digit()))
    };
    if !build.is_none_or(|build| build.split('.').all(is_word)) {
        return None;
    }
    match text.strip_prefix('-') {
        Some(pre) => pre.split('.').all(is_identifier).then_some(pre),
        None => text.is_empty().then_some(""),
    }
}

/// Compares two pre-releases (SemVer 2.0.0, clauses 11.3 and 11.4).
fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (a, b) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
        let order = match (is_number(a), is_number(b)) {
            // Without leading zeros, the longer one is the greater one.
            (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(required: &str, version: &str) -> Option<bool> {
        Requirements::new(vec![requirement(required).unwrap()]).allow(version)
    }

    #[test]
    fn a_pre_release_is_older_than_its_release() {
        for (required, version, expected) in [
            ("<5.2.0", "5.1.0-beta", true),
            ("<5.2.0", "5.2.0-beta.1", true),
            ("<5.2", "5.2.0-beta.1", false),
            ("<5.2", "5.1.99", true),
            (">=5.2.0", "5.2.0-beta.1", false),
            (">=5.2.0-alpha", "5.2.0-beta.1", true),
            ("=5.2.0", "5.2.0+build.7", true),
            ("=5.2", "5.2.9", true),
            ("5.2", "5.9.0", true),
            ("5.2", "6.0.0-rc.1", false),
            ("~5.2", "5.3.0-rc.1", false),
            ("^0.2.3", "0.3.0-rc.1", false),
            (">5.2", "5.2.9", false),
            (">5.2", "5.3.0", true),
            ("*", "1.0.0-x", true),
            (">=1, <3", "2.5", true),
            (">=1, <3", "3", false),
            (">18446744073709551615", "18446744073709551615.9.9", false),
        ] {
            assert_eq!(allows(required, version), Some(expected), "{version} in {required}");
        }
    }

    #[test]
    fn a_string_that_is_not_a_version_is_not_compared() {
        for version in [
            "", "v", "vv1.2", "v 1.2", "1.2.3.4", "1.", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+",
            "1.x", " 1.2",
        ] {
            assert_eq!(allows("*", version), None, "{version}");
        }
        assert_eq!(allows("*", "5"), Some(true));
        assert_eq!(allows("*", "5.2-beta+7.x"), Some(true));
    }

    #[test]
    fn a_leading_v_of_a_version_is_ignored() {
        for (required, version, expected) in [
            ("<5.2.0", "v5.1.9", true),
            ("<5.2.0", "V5.2", false),
            (">=v1.2.3", "1.2.3", true),
            (">= V1.0, <v2", "v1.9.9-rc.1+7", true),
            ("v1.2", "v2.0.0", false),
            ("=1.2.3-v7", "v1.2.3-v7", true),
        ] {
            assert_eq!(allows(required, version), Some(expected), "{version} in {required}");
        }
    }

    const OPERATORS: &[&str] = &["", "=", ">", ">=", "<", "<=", "~", "^"];
    const PRES: &[&str] = &["", "-1", "-beta"];

    #[test]
    fn packed_versions_match_like_unpacked_ones() {
        let numbers = [0, 1, PACKED_END - 1, PACKED_END, u64::MAX];
        let cores = || {
            let pairs = numbers.into_iter().flat_map(|a| numbers.map(|b| [a, b]));
            pairs.flat_map(|[a, b]| numbers.map(|c| [a, b, c]))
        };
        let text = |core: &[u64]| core.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        let packed: Vec<_> =
            cores().filter_map(|core| Some((core, Packed::parse(&text(&core))?))).collect();
        assert_eq!(packed.len(), 27);

        for (core, operator) in cores().flat_map(|core| OPERATORS.iter().map(move |it| (core, it)))
        {
            let whole = PRES.iter().map(|pre| format!("{operator}{}{pre}", text(&core)));
            let parts = (1..3).map(|parts| format!("{operator}{}", text(&core[..parts])));
            for required in whole.chain(parts) {
                let requirement = requirement(&required).unwrap();
                for &(core, packed) in &packed {
                    let version = Version { core, pre: "" };
                    let contained = requirement.ranges.iter().all(|it| it.contains(version));
                    assert_eq!(
                        requirement.packed.contains(&packed),
                        contained,
                        "{core:?} in {required}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn releases_match_as_in_cargo(
            operator in prop::sample::select(OPERATORS),
            required in prop::collection::vec(0_u64..4, 1..=3),
            pre in prop::sample::select(PRES),
            version in prop::array::uniform3(0_u64..4),
        ) {
            let numbers: Vec<_> = required.iter().map(u64::to_string).collect();
            let pre = if required.len() == 3 { pre } else { "" };
            let required = format!("{operator}{}{pre}", numbers.join("."));
            let version = semver::Version::new(version[0], version[1], version[2]);

            let cargo = VersionReq::parse(&required).unwrap().matches(&version);

            prop_assert_eq!(allows(&required, &version.to_string()), Some(cargo), "{}", required);
        }

        #[test]
        fn pre_releases_are_ordered_as_in_cargo(a in PRE, b in PRE) {
            let pre = |text: &str| semver::Prerelease::new(text).unwrap();

            prop_assert_eq!(compare_pre(&a, &b), pre(&a).cmp(&pre(&b)));
        }

        #[test]
        fn what_cargo_reads_is_a_version(text in "[0-9]{1,2}(\\.[0-9]{1,2}){2}(-[0-9a-z.-]{0,4})?(\\+[0-9a-z.]{0,3})?") {
            let cargo = semver::Version::parse(&text).ok();

            let version = Version::parse(&text);

            prop_assert_eq!(version.map(|v| v.core), cargo.as_ref().map(|v| [v.major, v.minor, v.patch]));
            prop_assert_eq!(version.map(|v| v.pre), cargo.as_ref().map(|v| v.pre.as_str()));
        }
    }

    const PRE: &str = "(0|[1-9][0-9]{0,2}|[a-z-][0-9a-z]{0,2})(\\.(0|[1-9][0-9]?|[a-z]{1,2})){0,2}";
}
