//! Extractors: from a request to an evaluation context.

mod extractor;
mod function;
mod refusal;
mod trusted;

pub use self::{
    extractor::{Anonymous, ContextExtractor, RequestHead, TryContextExtractor},
    function::{ContextFn, TryContextFn, context_fn, try_context_fn},
    refusal::Refusal,
    trusted::{InvalidHeader, TrustedHeaders},
};
