//! Snapshots of sources that nothing follows.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{
    Snapshot, clock::Clock, links::Links, merge::Merged, snapshot::Strictness, track::Tracker,
};
use crate::{
    backend::{Circumstances, Offer, SourceKind, Stack, identify},
    model::Names,
};

impl Snapshot {
    /// Merges the states of sources, the strongest first, as [`Flags`](crate::Flags) with these sources do at the time
    /// `at`.
    ///
    /// This is for rehearsals, such as a check of a change before it is made: nothing is started, published, logged or
    /// measured, and no time passes in the snapshot.
    ///
    /// This never fails. It rejects the entries that running flags would reject at their start. A definition whose values
    /// have another type than those below it counts as forced off. A definition is left out if the process has no room
    /// for the names of its variants.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::{
    ///     Context, Definition, Snapshot,
    ///     source::{Offer, SourceKind},
    /// };
    ///
    /// let declared = Definition::new().enabled(false).denied_users(["mallory"]);
    /// let declared = Offer::from_iter([("beta", declared)]);
    /// let forced = Offer::from_iter([("beta", true)]);
    ///
    /// let sources = [(SourceKind::Redis, forced), (SourceKind::File, declared)];
    /// let snapshot = Snapshot::merge(sources, SystemTime::now());
    ///
    /// assert!(snapshot.is_enabled("beta", &Context::user("ana")));
    /// assert!(!snapshot.is_enabled("beta", &Context::user("mallory")));
    /// ```
    #[must_use]
    pub fn merge(sources: impl IntoIterator<Item = (SourceKind, Offer)>, at: SystemTime) -> Self {
        let (kinds, offers): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let sources = identify(kinds.iter().map(|kind| (*kind, kind.as_str()))).into();
        let mut stack = Stack::new(offers.len());
        let mut keys = BTreeSet::new();
        // The weakest first: an entry is checked against those below it when its source is put into the stack.
        for (source, mut offer) in offers.into_iter().enumerate().rev() {
            stack.admit(source, &mut offer);
            keys.extend(stack.replace(source, offer));
        }
        let keys: Vec<Arc<str>> = keys.into_iter().collect();
        let circumstances = Circumstances { lost: &[], instant: Instant::now(), time: at };
        let (mut merged, mut names) = (Merged::default(), Arc::<Names>::default());
        merged.update(&stack, &keys, &circumstances, &mut names, &mut Links::default());
        let tracker = Arc::new(Tracker::new(Clock::default()));
        let none = Self::first(sources, &stack, tracker, Strictness::Lenient);
        none.next(merged, names, &stack, Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Flags,
        backend::{Backend, BackendError, BoxFuture, Sink},
        model::{
            Active, Context, Definition, Entry, Percentage, Prerequisite, Value, Variant, Variants,
        },
    };

    #[derive(Debug)]
    struct Once(SourceKind, Offer);

    impl Backend for Once {
        fn kind(&self) -> SourceKind {
            self.0
        }

        fn name(&self) -> &'static str {
            self.0.as_str()
        }

        fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
            sink.publish(self.1.clone());
            Box::pin(async { Ok(()) })
        }
    }

    const NOW: Duration = Duration::from_secs(1_000_000);
    const LATER: Duration = Duration::from_secs(1_000_060);

    fn time(since_epoch: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + since_epoch
    }

    fn sources() -> Vec<(SourceKind, Offer)> {
        let half = Percentage::whole(50).unwrap();
        let later = Active::new().from(time(LATER));
        let serves = |value: Value<'static>| {
            Definition::new().variants(Variants::new().with("a", Variant::new().value(value)))
        };
        let over: [(&str, Entry); 3] = [
            ("forced", true.into()),
            ("half", Definition::new().percentage(half).into()),
            ("mistyped", serves(1.into()).into()),
        ];
        let declared: [(&str, Entry); 5] = [
            ("forced", Definition::new().enabled(false).denied_users(["u3"]).into()),
            ("half", Definition::new().owner("payments").into()),
            ("mistyped", serves("text".into()).into()),
            ("needs", Definition::new().requires([Prerequisite::on("half")]).into()),
            ("soon", Definition::new().active(later).into()),
        ];
        let variables = Offer::new().with_lookup(|name| (name == "looked_up").then_some(true));
        vec![
            (SourceKind::Redis, over.into_iter().collect()),
            (SourceKind::Env, variables),
            (SourceKind::File, declared.into_iter().collect()),
        ]
    }

    #[tokio::test]
    async fn a_rehearsal_answers_as_running_flags_do() {
        let builder = Flags::builder().clock(|| time(NOW));
        let builder = sources()
            .into_iter()
            .fold(builder, |builder, (kind, offer)| builder.source(Once(kind, offer)));
        let running = builder.start().await.unwrap().snapshot();

        let rehearsed = Snapshot::merge(sources(), time(NOW));

        for user in 0..20 {
            let user = format!("u{user}");
            let context = Context::user(&user);
            let all = |snapshot: &Snapshot| {
                let all = snapshot.all(&context);
                all.map(|(key, answer)| (key.to_owned(), answer)).collect::<Vec<_>>()
            };
            assert_eq!(all(&rehearsed), all(&running));
            assert_eq!(all(&rehearsed).len(), 5);
            assert!(rehearsed.is_enabled("looked_up", &context));
        }
    }

    #[test]
    fn a_rehearsal_is_of_the_time_that_it_is_given() {
        let is_on =
            |at| Snapshot::merge(sources(), time(at)).is_enabled("soon", &Context::anonymous());

        assert!(!is_on(NOW));
        assert!(is_on(LATER));
    }
}
