//! A share of the users.

use super::{
    bucket::{self, Reach},
    unit::{self, unit},
    verdict::Verdict,
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Context, Percentage};

/// The answer for all users who get here, or the answers inside and outside of a percentage.
#[derive(Debug)]
pub(super) enum Share {
    Fixed(Verdict),
    Drawn(Drawn),
}

/// A draw with its two answers, which are made beforehand so that an evaluation builds nothing.
#[derive(Debug)]
pub(super) struct Drawn {
    seed: u64,
    threshold: u64,
    /// Boxed, since most draws are by the targeting key.
    bucket_by: Option<Box<Attribute>>,
    inside: Verdict,
    outside: Verdict,
    no_unit: Verdict,
}

impl Share {
    /// Creates a share. With 0 or 100 % it answers one of the fixed verdicts and draws nothing.
    /// Otherwise it answers with the outcomes of `drawn`.
    pub(super) fn new(
        percentage: Percentage,
        seed: u64,
        bucket_by: Option<Attribute>,
        [outside, inside]: [Verdict; 2],
        drawn: Verdict,
    ) -> Self {
        match Reach::of(percentage) {
            Reach::All => Self::Fixed(inside),
            Reach::Below(0) => Self::Fixed(outside),
            Reach::Below(threshold) => Self::Drawn(Drawn {
                seed,
                threshold,
                inside: Verdict { on: true, ..drawn },
                outside: Verdict { on: false, ..drawn },
                no_unit: drawn.with(false, unit::missing(bucket_by.as_ref())),
                bucket_by: bucket_by.map(Box::new),
            }),
        }
    }

    #[inline]
    pub(super) fn draw(
        &self,
        context: &Context<'_>,
        purpose: Draw,
        visitor: &mut impl Visitor,
    ) -> &Verdict {
        match self {
            Self::Fixed(verdict) => verdict,
            Self::Drawn(drawn) => drawn.draw(context, purpose, visitor),
        }
    }
}

impl Drawn {
    #[inline]
    fn draw(&self, context: &Context<'_>, purpose: Draw, visitor: &mut impl Visitor) -> &Verdict {
        let unit = unit(context, self.bucket_by.as_deref());
        let bucket = unit.map(|unit| {
            visitor.drawing_by(unit);
            bucket::draw(unit, self.seed)
        });
        visitor.drew(purpose, bucket);
        match bucket {
            None => &self.no_unit,
            Some(bucket) if bucket < self.threshold => &self.inside,
            Some(_) => &self.outside,
        }
    }
}
