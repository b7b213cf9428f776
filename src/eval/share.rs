//! A share of the users.

use super::{
    bucket::{self, Reach},
    evaluation::Verdict,
    unit::unit,
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Cause, Context, Percentage};

/// What is answered to everybody, or to those inside and outside of a percentage.
#[derive(Debug)]
pub(super) enum Share {
    Everybody(Verdict),
    Drawn(Drawn),
}

/// Nothing is put together when somebody asks: all that can be answered is there.
#[derive(Debug)]
pub(super) struct Drawn {
    seed: u64,
    threshold: u64,
    /// Boxed, since most draw by the targeting key.
    bucket_by: Option<Box<Attribute>>,
    inside: Verdict,
    outside: Verdict,
    no_unit: Verdict,
}

impl Share {
    /// A share that is everybody answers `everybody`, another one as `drawn` says.
    pub(super) fn new(
        percentage: Percentage,
        seed: u64,
        bucket_by: Option<Attribute>,
        everybody: Verdict,
        drawn: Verdict,
    ) -> Self {
        match Reach::of(percentage) {
            Reach::Everybody => Self::Everybody(everybody),
            Reach::Below(threshold) => Self::Drawn(Drawn {
                seed,
                threshold,
                bucket_by: bucket_by.map(Box::new),
                inside: Verdict { on: true, ..drawn },
                outside: Verdict { on: false, ..drawn },
                no_unit: drawn.with(false, Cause::NoTargetingKey),
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
            Self::Everybody(verdict) => verdict,
            Self::Drawn(drawn) => drawn.draw(context, purpose, visitor),
        }
    }
}

impl Drawn {
    #[inline]
    fn draw(&self, context: &Context<'_>, purpose: Draw, visitor: &mut impl Visitor) -> &Verdict {
        let unit = unit(context, self.bucket_by.as_deref());
        let bucket = unit.map(|unit| bucket::draw(unit, self.seed));
        visitor.drew(purpose, bucket);
        match bucket {
            None => &self.no_unit,
            Some(bucket) if bucket < self.threshold => &self.inside,
            Some(_) => &self.outside,
        }
    }
}
