//! Hooks: code of the program that runs with each evaluation.

use std::{
    any::type_name,
    borrow::Cow,
    cell::Cell,
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    foreign::{self, Panicked, error},
    model::{Answer, Context, Value},
};

/// Code that runs with each evaluation, as OpenFeature defines hooks.
///
/// [`before`](Self::before) runs first. [`after`](Self::after) runs if the evaluation succeeded, and
/// [`error`](Self::error) if the answer has an error code. [`finally`](Self::finally) runs last.
/// Hooks run in the order in which they were added, and in the opposite order after the evaluation.
///
/// A hook sees the answer and cannot change it. It runs in the thread that evaluates, so it delays
/// the caller. Flags that a hook evaluates are evaluated without hooks.
///
/// A hook that panics is removed, with an error in the log. The evaluation and other hooks go on.
///
/// # Example
///
/// ```
/// use std::sync::mpsc;
///
/// use flagstaff::{Context, Flags, Memory, observe::{Hook, HookAnswer, HookContext}};
///
/// struct Log(mpsc::Sender<String>);
///
/// impl Hook for Log {
///     type Data = ();
///
///     fn finally(&self, evaluation: &HookContext<'_, '_>, answer: &HookAnswer<'_>, _: &mut ()) {
///         let _ = self.0.send(format!("{}: {}", evaluation.flag_key(), answer.reason));
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let (sender, log) = mpsc::channel();
/// let source = Memory::new().with("beta", true);
/// let flags = Flags::builder().source(source).hook(Log(sender)).start().await?;
///
/// flags.is_enabled("beta", &Context::user("ana"));
///
/// assert_eq!(log.try_iter().collect::<Vec<_>>(), ["beta: STATIC"]);
/// # Ok(())
/// # }
/// ```
pub trait Hook: Send + Sync + 'static {
    /// The hook data, which the stages of one evaluation share. `()` for hooks without any.
    type Data: Default;

    /// Runs before the evaluation.
    fn before(&self, _evaluation: &HookContext<'_, '_>, _data: &mut Self::Data) {}

    /// Runs after an evaluation without an error.
    fn after(
        &self,
        _evaluation: &HookContext<'_, '_>,
        _answer: &HookAnswer<'_>,
        _data: &mut Self::Data,
    ) {
    }

    /// Runs after an evaluation whose answer has an error code.
    fn error(
        &self,
        _evaluation: &HookContext<'_, '_>,
        _answer: &HookAnswer<'_>,
        _data: &mut Self::Data,
    ) {
    }

    /// Runs at the end of each evaluation.
    fn finally(
        &self,
        _evaluation: &HookContext<'_, '_>,
        _answer: &HookAnswer<'_>,
        _data: &mut Self::Data,
    ) {
    }
}

/// The answer that a hook sees. The value is `None` where the caller's default is served.
pub type HookAnswer<'a> = Answer<Option<Cow<'a, Value<'static>>>>;

/// The evaluation that a hook runs with: OpenFeature's hook context.
pub struct HookContext<'a, 'c> {
    pub(crate) flag_key: &'a str,
    pub(crate) flag_type: FlagType,
    pub(crate) context: &'a Context<'c>,
    pub(crate) hints: &'a Hints,
}

/// The type that a caller evaluates a flag as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlagType {
    /// On or off.
    Boolean,
    /// The name of a variant.
    Variant,
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// A number that may have a fraction.
    Float,
    /// Any type that can be deserialized.
    Value,
}

/// Values for hooks that are equal for all evaluations.
pub(crate) type Hints = BTreeMap<String, Value<'static>>;

impl<'c> HookContext<'_, 'c> {
    /// Returns the flag key.
    #[must_use]
    pub fn flag_key(&self) -> &str {
        self.flag_key
    }

    /// Returns the type that the caller evaluates the flag as.
    #[must_use]
    pub fn flag_type(&self) -> FlagType {
        self.flag_type
    }

    /// Returns the evaluation context. It may contain personal data.
    #[must_use]
    pub fn context(&self) -> &Context<'c> {
        self.context
    }

    /// Returns a hint that was set by
    /// [`hook_hint`](crate::source::FlagsBuilder::hook_hint).
    #[must_use]
    pub fn hint(&self, name: &str) -> Option<&Value<'static>> {
        self.hints.get(name)
    }
}

/// Shows the flag and not the context, which may contain personal data.
impl fmt::Debug for HookContext<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookContext")
            .field("flag_key", &self.flag_key)
            .field("flag_type", &self.flag_type)
            .finish_non_exhaustive()
    }
}

/// The hooks of some flags, and their hints.
#[derive(Default)]
pub(crate) struct Hooks {
    hooks: Vec<Registered>,
    hints: Hints,
}

struct Registered {
    name: &'static str,
    is_removed: AtomicBool,
    hook: Box<dyn Around>,
}

/// A hook without the type of its data.
trait Around: Send + Sync {
    /// Runs the stages of a hook around an evaluation.
    fn around<'a>(
        &self,
        evaluation: &HookContext<'_, '_>,
        evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
        removed: &dyn Fn(Panicked),
    ) -> HookAnswer<'a>;
}

impl<H: Hook> Around for H {
    fn around<'a>(
        &self,
        evaluation: &HookContext<'_, '_>,
        evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
        removed: &dyn Fn(Panicked),
    ) -> HookAnswer<'a> {
        let begun = foreign::attempt(|| {
            let mut data = H::Data::default();
            self.before(evaluation, &mut data);
            data
        });
        let answer = evaluate();
        let ended = begun.and_then(|mut data| {
            foreign::attempt(|| {
                match answer.error_code {
                    None => self.after(evaluation, &answer, &mut data),
                    Some(_) => self.error(evaluation, &answer, &mut data),
                }
                self.finally(evaluation, &answer, &mut data);
                drop(data);
            })
        });
        if let Err(panicked) = ended {
            removed(panicked);
        }
        answer
    }
}

thread_local! {
    /// True while hooks run, so that a hook which evaluates a flag does not run itself.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// The time in which hooks run in this thread.
struct Run;

impl Drop for Run {
    fn drop(&mut self) {
        RUNNING.set(false);
    }
}

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Hook) {
        let name = type_of(&hook);
        self.hooks.push(Registered {
            name,
            is_removed: AtomicBool::new(false),
            hook: Box::new(hook),
        });
    }

    pub(crate) fn hint(&mut self, name: String, value: Value<'static>) {
        self.hints.insert(name, value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Returns the types of the hooks that were removed.
    pub(super) fn removed(&self) -> Vec<&'static str> {
        let removed = self.hooks.iter().filter(|hook| hook.is_removed.load(Ordering::Relaxed));
        removed.map(|hook| hook.name).collect()
    }

    /// Runs the hooks around an evaluation, which is made once.
    pub(super) fn around<'a>(
        &self,
        evaluation: &HookContext<'_, '_>,
        evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
    ) -> HookAnswer<'a> {
        if RUNNING.replace(true) {
            return evaluate();
        }
        let _run = Run;
        around(&self.hooks, evaluation, evaluate)
    }
}

/// Nested, so that the data of each hook is on the stack, and the last hook runs first afterwards.
fn around<'a>(
    hooks: &[Registered],
    evaluation: &HookContext<'_, '_>,
    evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
) -> HookAnswer<'a> {
    match hooks.split_first() {
        None => evaluate(),
        Some((first, rest)) => first.around(evaluation, &mut || around(rest, evaluation, evaluate)),
    }
}

impl Registered {
    fn around<'a>(
        &self,
        evaluation: &HookContext<'_, '_>,
        evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
    ) -> HookAnswer<'a> {
        match self.is_removed.load(Ordering::Relaxed) {
            true => evaluate(),
            false => self.hook.around(evaluation, evaluate, &|panicked| self.remove(&panicked)),
        }
    }

    fn remove(&self, panicked: &Panicked) {
        // Several threads may have run the hook.
        if !self.is_removed.swap(true, Ordering::Relaxed) {
            error!(hook = self.name, error = %panicked, "a hook panicked and is removed");
        }
    }
}

fn type_of<H>(_: &H) -> &'static str {
    type_name::<H>()
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hooks.iter().map(|hook| hook.name)).finish()
    }
}
