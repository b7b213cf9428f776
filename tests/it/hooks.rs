//! Hooks run with each evaluation and change nothing.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use flagstaff::{
    Context, Definition, FlagGate, Flags, Memory,
    observe::{Hook, HookAnswer, HookContext},
};
use http::Request;
use tower::{Layer, ServiceExt, service_fn};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes its stages into a log, each with the number that `before` drew.
struct Stages(&'static str, Log, AtomicUsize);

impl Stages {
    fn new(name: &'static str, log: &Log) -> Self {
        Self(name, Arc::clone(log), AtomicUsize::new(1))
    }

    fn note(&self, stage: &str, evaluation: &HookContext<'_, '_>, data: usize) {
        let line = format!("{} {stage} {} {data}", self.0, evaluation.flag_key());
        self.1.lock().unwrap().push(line);
    }
}

impl Hook for Stages {
    type Data = usize;

    fn before(&self, evaluation: &HookContext<'_, '_>, data: &mut usize) {
        *data = self.2.fetch_add(1, Ordering::Relaxed);
        self.note("before", evaluation, *data);
    }

    fn after(&self, evaluation: &HookContext<'_, '_>, _: &HookAnswer<'_>, data: &mut usize) {
        self.note("after", evaluation, *data);
    }

    fn error(&self, evaluation: &HookContext<'_, '_>, _: &HookAnswer<'_>, data: &mut usize) {
        self.note("error", evaluation, *data);
    }

    fn finally(&self, evaluation: &HookContext<'_, '_>, _: &HookAnswer<'_>, data: &mut usize) {
        self.note("finally", evaluation, *data);
    }
}

/// Writes the type, the user and the value of each evaluation into a log.
struct Values(Log);

impl Hook for Values {
    type Data = ();

    fn finally(&self, evaluation: &HookContext<'_, '_>, answer: &HookAnswer<'_>, (): &mut ()) {
        let user = evaluation.context().targeting_key().unwrap_or("nobody");
        let value = answer.value.as_deref();
        let line = format!("{:?} {user} {value:?}", evaluation.flag_type());
        self.0.lock().unwrap().push(line);
    }
}

fn memory() -> Memory {
    Memory::new()
        .with("on", true)
        .with("page", Definition::new().variants([("blue", 1)]))
        .with("limit", Definition::new().value(50))
        .with("needs", Definition::new().requires(["on"]))
}

fn read(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn stages_run_in_order_and_in_the_opposite_order_afterwards_with_their_own_data() {
    let log = Log::default();
    let builder = Flags::builder().source(memory());
    let builder = builder.hook(Stages::new("a", &log)).hook(Stages::new("b", &log));
    let flags = builder.start().await.unwrap();

    flags.is_enabled("needs", &Context::user("ana"));
    let first = read(&log);
    flags.boolean("no_such_flag", &Context::user("ana"), true);

    assert_eq!(
        first,
        [
            "a before needs 1",
            "b before needs 1",
            "b after needs 1",
            "b finally needs 1",
            "a after needs 1",
            "a finally needs 1",
        ]
    );
    assert_eq!(
        read(&log),
        [
            "a before no_such_flag 2",
            "b before no_such_flag 2",
            "b error no_such_flag 2",
            "b finally no_such_flag 2",
            "a error no_such_flag 2",
            "a finally no_such_flag 2",
        ]
    );
}

#[tokio::test]
async fn a_hook_sees_the_type_the_user_and_the_value_of_each_question() {
    let log = Log::default();
    let flags = Flags::builder().source(memory()).hook(Values(log.clone())).start().await.unwrap();
    let ana = Context::user("ana");

    flags.is_enabled("on", &ana);
    flags.variant("page", &ana, "");
    flags.string("page", &ana, "");
    flags.integer("limit", &ana, 0);
    flags.float("limit", &ana, 0.0);
    flags.value("limit", &ana, 0_u8);
    flags.boolean("no_such_flag", &ana, true);
    flags.string("limit", &ana, "the default");
    let _ = flags.explain("on", &ana);

    assert_eq!(
        read(&log),
        [
            "Boolean ana Some(Bool(true))",
            r#"Variant ana Some(String("blue"))"#,
            r#"String ana Some(String("blue"))"#,
            "Integer ana Some(Integer(50))",
            "Float ana Some(Integer(50))",
            "Value ana Some(Integer(50))",
            "Boolean ana None",
            "String ana None",
        ]
    );
}

#[tokio::test]
async fn a_gate_runs_hooks_for_each_request() {
    let log = Log::default();
    let flags = Flags::builder().source(memory()).hook(Values(log.clone())).start().await.unwrap();
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let gate = FlagGate::new("on").flags(&flags).layer(inner);

    for _ in 0..2 {
        let _ = gate.clone().oneshot(Request::new(())).await.unwrap();
    }

    assert_eq!(read(&log), ["Boolean nobody Some(Bool(true))"; 2]);
}

/// Panics in the stage of that name.
struct Broken(&'static str);

impl Broken {
    fn stage(&self, name: &str) {
        assert_ne!(self.0, name, "a mistake");
    }
}

impl Hook for Broken {
    type Data = ();

    fn before(&self, _: &HookContext<'_, '_>, (): &mut ()) {
        self.stage("before");
    }

    fn after(&self, _: &HookContext<'_, '_>, _: &HookAnswer<'_>, (): &mut ()) {
        self.stage("after");
    }

    fn finally(&self, _: &HookContext<'_, '_>, _: &HookAnswer<'_>, (): &mut ()) {
        self.stage("finally");
    }
}

#[tokio::test]
async fn a_hook_that_panics_is_removed_and_the_others_and_the_answers_stay() {
    for stage in ["before", "after", "finally"] {
        let log = Log::default();
        let builder = Flags::builder().source(memory()).hook(Broken(stage));
        let flags = builder.hook(Values(log.clone())).counts().start().await.unwrap();

        let answers = [(); 3].map(|()| flags.is_enabled("on", &Context::user("ana")));

        assert_eq!(answers, [true; 3], "{stage}");
        assert_eq!(read(&log).len(), 3, "{stage}");
        assert_eq!(flags.removed_hooks(), ["it::hooks::Broken"], "{stage}");
        assert_eq!(flags.counts().unwrap().flag("on").map(|on| on.total()), Some(3), "{stage}");
    }
}

/// Evaluates a flag while it runs.
struct Asking(Arc<Mutex<Option<Flags>>>, AtomicUsize);

impl Hook for Asking {
    type Data = ();

    fn before(&self, _: &HookContext<'_, '_>, (): &mut ()) {
        let flags = self.0.lock().unwrap().clone().unwrap();
        assert!(flags.is_enabled("on", &Context::anonymous()));
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_hook_that_evaluates_a_flag_does_not_run_itself() {
    let own = Arc::<Mutex<Option<Flags>>>::default();
    let hook = Asking(Arc::clone(&own), AtomicUsize::new(0));
    let flags = Flags::builder().source(memory()).hook(hook).counts().start().await.unwrap();
    *own.lock().unwrap() = Some(flags.clone());

    flags.is_enabled("page", &Context::user("ana"));
    own.lock().unwrap().take();

    let counts = flags.counts().unwrap();
    let total = |key| counts.flag(key).map(|flag| flag.total());
    assert_eq!((total("page"), total("on")), (Some(1), Some(1)));
    assert!(flags.removed_hooks().is_empty());
}
