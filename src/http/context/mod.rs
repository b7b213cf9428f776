//! Extractors: from a request to an evaluation context.

mod bound;
mod extractor;
mod function;
mod refusal;
mod trusted;

use self::bound::MAX_STRING;
pub(in crate::http) use self::bound::bound;
pub use self::{
    extractor::{Anonymous, ContextExtractor, RequestHead, TryContextExtractor},
    function::{ContextFn, TryContextFn, context_fn, try_context_fn},
    refusal::Refusal,
    trusted::{InvalidHeader, TrustedHeaders},
};
