//! Rollouts that are started, advanced, paused and rolled back. Time is paused, and the clock
//! follows it.

use std::{
    future::IntoFuture,
    sync::Arc,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Backend, Context, Definition, Flags, Memory, Percentage, WriteError,
    definition::{Entry, Field, Progress, Rollout, RolloutStatus, Setting, Stage},
    source::{BackendError, BoxFuture, Sink, WritableBackend},
    write::{Refusal, RolloutError, Write, Written},
};
use tokio::{
    sync::Barrier,
    time::{self, Instant},
};

const HOUR: Duration = Duration::from_secs(3600);

fn epoch() -> SystemTime {
    SystemTime::UNIX_EPOCH + 500_000 * HOUR
}

fn whole(percent: u32) -> Percentage {
    Percentage::whole(percent).unwrap()
}

/// 10 % for two hours, then 50 % for at least four hours until it is advanced, then all users.
fn stages() -> Rollout {
    Rollout::new([
        Stage::new(whole(10)).lasting(2 * HOUR),
        Stage::new(whole(50)).lasting(4 * HOUR).manual(),
        Stage::new(whole(100)),
    ])
}

/// Flags whose clock starts at `epoch()`.
struct Test {
    flags: Flags,
    start: Instant,
}

impl Test {
    async fn over(writable: impl Backend, declared: Definition) -> Self {
        let start = Instant::now();
        let flags = Flags::builder().source(writable).source(Memory::new().with("a", declared));
        let flags = flags.clock(move || epoch() + start.elapsed()).start().await.unwrap();
        Self { flags, start }
    }

    async fn new() -> Self {
        Self::over(Memory::new(), Definition::new().rollout(stages())).await
    }

    fn progress(&self) -> Progress {
        self.flags.snapshot().info("a").unwrap().rollout().unwrap()
    }

    fn at(&self) -> (u32, RolloutStatus) {
        (self.progress().stage, self.progress().status)
    }

    /// Returns the time that is left of the stage.
    fn left(&self) -> Duration {
        let due = self.progress().due.expect("a stage that ends");
        due.duration_since(epoch() + self.start.elapsed()).unwrap()
    }

    fn is_on(&self) -> bool {
        // The user who is in every percentage above 0.
        let users = (0..100).map(|n| format!("user-{n}"));
        users.into_iter().any(|user| self.flags.is_enabled("a", &Context::user(&user)))
    }
}

/// The time to pass a boundary: timers tick in milliseconds.
const TICK: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_from_start_to_end() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    assert_eq!(test.at(), (0, RolloutStatus::NotStarted));
    time::sleep(HOUR).await;

    rollout.start().author("ana").reason("release 7").await.unwrap();
    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), 2 * HOUR));
    let by = test.flags.sources_of("a")[0].provenance.clone().unwrap();
    assert_eq!((by.author.as_deref(), by.reason.as_deref()), (Some("ana"), Some("release 7")));

    time::sleep(2 * HOUR + TICK).await;
    assert_eq!(test.at(), (2, RolloutStatus::Waiting));

    time::sleep(99 * HOUR).await;
    assert_eq!(test.at(), (2, RolloutStatus::Waiting));

    rollout.advance().await.unwrap();
    assert_eq!(test.at(), (3, RolloutStatus::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_stage_is_left_before_its_time_only_by_force() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    rollout.start().await.unwrap();
    time::sleep(HOUR).await;

    let error = rollout.advance().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "stage 1 of the rollout of flag `a` lasts 1h more: wait, or force it"
    );
    assert_eq!(test.at(), (1, RolloutStatus::Running));

    rollout.advance().forced().await.unwrap();
    assert_eq!((test.at(), test.left()), ((2, RolloutStatus::Waiting), 4 * HOUR));

    // A stage that waits to be advanced lasts at least its `for`.
    let error = rollout.advance().await.unwrap_err();
    assert!(matches!(error, RolloutError::TooEarly { remaining, .. } if remaining == 4 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_the_stage_and_delays_what_follows() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    rollout.start().await.unwrap();
    time::sleep(HOUR / 2).await;

    rollout.pause().await.unwrap();
    assert_eq!(test.at(), (1, RolloutStatus::Paused));
    time::sleep(10 * HOUR).await;
    assert_eq!(test.at(), (1, RolloutStatus::Paused));
    let error = rollout.advance().await.unwrap_err();
    assert!(error.to_string().contains("is paused, so resume it first"), "{error}");

    rollout.resume().await.unwrap();
    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), HOUR * 3 / 2));
    time::sleep(HOUR * 3 / 2 + TICK).await;
    assert_eq!(test.at(), (2, RolloutStatus::Waiting));
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_start_delays_the_start() {
    let scheduled = stages().start(epoch() + HOUR);
    let test = Test::over(Memory::new(), Definition::new().rollout(scheduled)).await;
    let rollout = test.flags.rollout("a");

    rollout.pause().await.unwrap();
    time::sleep(5 * HOUR).await;
    assert_eq!(test.at(), (0, RolloutStatus::Paused));

    rollout.resume().await.unwrap();
    assert_eq!((test.at(), test.left()), ((0, RolloutStatus::NotStarted), HOUR));
}

#[tokio::test(start_paused = true)]
async fn dates_move_along_with_a_start_by_hand() {
    let dated = Rollout::new([
        Stage::new(whole(10)).at(epoch() + 10 * HOUR),
        Stage::new(whole(100)).at(epoch() + 13 * HOUR),
    ]);
    let test = Test::over(Memory::new(), Definition::new().rollout(dated)).await;
    assert_eq!(test.left(), 10 * HOUR);

    test.flags.rollout("a").start().await.unwrap();

    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), 3 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_pauses_in_the_stage_before_and_restarts_its_time() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    rollout.start().await.unwrap();
    time::sleep(3 * HOUR).await;
    assert_eq!(test.at().0, 2);

    rollout.roll_back().await.unwrap();
    assert_eq!(test.at(), (1, RolloutStatus::Paused));
    time::sleep(9 * HOUR).await;
    assert_eq!(test.at(), (1, RolloutStatus::Paused));

    rollout.resume().await.unwrap();
    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), 2 * HOUR));

    rollout.roll_back().await.unwrap();
    assert_eq!(test.at(), (0, RolloutStatus::NotStarted));
    assert!(!test.is_on());
}

#[tokio::test(start_paused = true)]
async fn what_was_rolled_back_stays_off_until_it_is_started_at_stage_one() {
    let scheduled = stages().start(epoch());
    let test = Test::over(Memory::new(), Definition::new().rollout(scheduled)).await;
    let rollout = test.flags.rollout("a");
    time::sleep(5 * HOUR).await;
    assert_eq!(test.at().0, 2);

    rollout.roll_back_completely().await.unwrap();
    time::sleep(99 * HOUR).await;
    assert_eq!(test.at(), (0, RolloutStatus::NotStarted));
    assert!(!test.is_on());

    rollout.start().await.unwrap();
    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), 2 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn stop_is_off_for_all_users_and_pauses_the_rollout() {
    let declared = Definition::new().rollout(stages()).allowed_users(["ana"]);
    let test = Test::over(Memory::new(), declared).await;
    let rollout = test.flags.rollout("a");
    rollout.start().await.unwrap();
    time::sleep(HOUR).await;

    rollout.off().author("bob").reason("incident 42").await.unwrap();
    time::sleep(99 * HOUR).await;
    assert!(!test.is_on() && !test.flags.is_enabled("a", &Context::user("ana")));

    rollout.resume().await.unwrap();
    assert!(test.is_on() && test.flags.is_enabled("a", &Context::user("ana")));
    assert_eq!((test.at(), test.left()), ((1, RolloutStatus::Running), HOUR));
}

#[tokio::test(start_paused = true)]
async fn off_needs_no_rollout_and_works_twice() {
    let test = Test::over(Memory::new().with("a", true), Definition::new()).await;

    test.flags.rollout("a").off().await.unwrap();
    test.flags.rollout("a").off().await.unwrap();

    assert!(!test.flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_step_has_a_reason() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    let mut said = Vec::new();
    let mut say = |error: RolloutError| said.push(error.to_string());

    say(test.flags.rollout("b").start().await.unwrap_err());
    say(rollout.advance().await.unwrap_err());
    say(rollout.pause().await.unwrap_err());
    say(rollout.resume().await.unwrap_err());
    say(rollout.roll_back().await.unwrap_err());
    rollout.start().await.unwrap();
    say(rollout.start().await.unwrap_err());
    rollout.pause().await.unwrap();
    say(rollout.pause().await.unwrap_err());
    for _ in 0..2 {
        rollout.advance().forced().await.unwrap();
    }
    say(rollout.advance().forced().await.unwrap_err());
    say(rollout.pause().await.unwrap_err());

    assert_eq!(
        said,
        [
            "flag `b` has no rollout",
            "the rollout of flag `a` has not been started: it is at 0%, stage 0 of 3, not started",
            "the rollout of flag `a` has not been started: it is at 0%, stage 0 of 3, not started",
            "the rollout of flag `a` is not paused: it is at 0%, stage 0 of 3, not started",
            "the rollout of flag `a` has not been started: it is at 0%, stage 0 of 3, not started",
            "the rollout of flag `a` is under way already: it is at 10%, stage 1 of 3, running",
            "the rollout of flag `a` is paused already: it is at 10%, stage 1 of 3, paused",
            "the rollout of flag `a` is in its last stage: it is at 100%, stage 3 of 3, complete",
            "the rollout of flag `a` is in its last stage: it is at 100%, stage 3 of 3, complete",
        ]
    );
    rollout.start().forced().await.unwrap();
    assert_eq!(test.at(), (1, RolloutStatus::Running));
}

#[tokio::test(start_paused = true)]
async fn a_step_on_a_condition_is_made_once() {
    let test = Test::new().await;
    let rollout = test.flags.rollout("a");
    let started = rollout.start().await.unwrap().revision.unwrap();

    rollout.pause().if_revision(started).await.unwrap();
    let late = rollout.roll_back_completely().if_revision(started).await.unwrap_err();

    assert!(matches!(late, RolloutError::Write(WriteError::Conflict { .. })), "{late}");
    assert_eq!(test.at(), (1, RolloutStatus::Paused));
}

#[tokio::test(start_paused = true)]
async fn a_step_writes_only_the_state_and_leaves_the_stages_to_the_file() {
    let memory = Memory::new().with("a", Definition::new().owner("web"));
    let test = Test::over(memory, Definition::new().rollout(stages())).await;

    test.flags.rollout("a").start().await.unwrap();

    let entry = test.flags.sources_of("a").swap_remove(0).entry;
    let Entry::Definition(written) = entry else { panic!("{entry:?}") };
    let mut started = Rollout::default();
    started.start = Setting::Set(epoch());
    assert_eq!(*written, Definition::new().owner("web").rollout(started));
}

#[tokio::test(start_paused = true)]
async fn removing_a_percentage_leaves_no_state_of_a_rollout() {
    let test = Test::new().await;
    test.flags.rollout("a").start().await.unwrap();
    test.flags.rollout("a").roll_back_completely().await.unwrap();

    let percentage = Definition::new().percentage(Percentage::HUNDRED);
    test.flags.set("a", percentage.clone()).await.unwrap();
    assert_eq!(test.flags.sources_of("a")[0].entry, percentage.into());
    assert_eq!(test.flags.watch("a").borrow().to_string(), "on");

    test.flags.set("a", Definition::new()).inheriting([Field::Percentage]).await.unwrap();
    assert_eq!((test.flags.sources_of("a").len(), test.at().1), (1, RolloutStatus::NotStarted));
}

/// A source of two processes, whose writers both read before one of them writes.
struct Racing(Arc<Memory>, Arc<Barrier>);

impl Backend for Racing {
    fn name(&self) -> &'static str {
        "racing"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Arc::clone(&self.0).run(sink)
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for Racing {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
        self.0.write(key, write)
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
        Box::pin(async move {
            let entry = self.0.read(key).await;
            self.1.wait().await;
            entry
        })
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_advance_at_once_advance_by_one_stage() {
    let by_hand = Rollout::new([10, 20, 30].map(|percent| Stage::new(whole(percent)).manual()));
    let declared = Definition::new().rollout(by_hand.start(epoch()));
    let shared = Arc::new(Memory::new());
    let barrier = Arc::new(Barrier::new(2));
    let process =
        || Test::over(Racing(Arc::clone(&shared), Arc::clone(&barrier)), declared.clone());
    let (one, other) = (process().await, process().await);

    let steps = tokio::join!(
        one.flags.rollout("a").advance().into_future(),
        other.flags.rollout("a").advance().into_future(),
    );

    let conflicts = [steps.0, steps.1]
        .into_iter()
        .filter(|step| matches!(step, Err(RolloutError::Write(WriteError::Conflict { .. }))));
    assert_eq!(conflicts.count(), 1);
    assert_eq!((one.at().0, other.at().0), (2, 2));
}
