//! Request layers: all evaluations of a request use one generation.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use flagstaff::{
    Context as Who, FlagGate, Flags, RequestFlags, TrustedHeaders, WithCurrentFlags,
    context::{Anonymous, context_fn},
    definition::Entry,
    source::Offer,
};
use http::{Request, Response};
use tokio::{sync::Barrier, task::JoinSet};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::flags;
use crate::support::{Act, BOUND, Scripted};

#[tokio::test]
async fn a_request_that_straddles_a_reload_sees_one_generation_in_its_tasks_too() {
    let flags = flags([("a", true.into())]).await;
    let reload = Arc::new(Barrier::new(2));
    let handler = {
        let reload = Arc::clone(&reload);
        move |request: Request<()>| {
            let reload = Arc::clone(&reload);
            async move {
                let before = flagstaff::is_enabled("a");
                reload.wait().await;
                // The flag is off from here on.
                reload.wait().await;
                let task = async { flagstaff::is_enabled("a") };
                let seen = [
                    before,
                    flagstaff::is_enabled("a"),
                    request.extensions().get::<RequestFlags>().unwrap().is_enabled("a"),
                    tokio::spawn(task.with_current_flags()).await.unwrap(),
                ];
                Ok::<_, Infallible>(Response::new(seen))
            }
        }
    };
    let service = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagGate::new("a").conceal(service_fn(async |_| Ok(Response::new([false; 4])))))
        .service_fn(handler);

    let request = tokio::spawn(service.clone().oneshot(Request::new(())));
    reload.wait().await;
    flags.disable("a").await.unwrap();
    reload.wait().await;

    assert_eq!(request.await.unwrap().unwrap().into_body().into_inner(), [true; 4]);
    assert_eq!(
        service.oneshot(Request::new(())).await.unwrap().into_body().into_inner(),
        [false; 4]
    );
}

/// A service that evaluates within `call` itself, before there is a future.
#[derive(Clone)]
struct AsksAtOnce;

impl Service<Request<()>> for AsksAtOnce {
    type Response = Response<bool>;
    type Error = Infallible;
    type Future = Ready<Result<Response<bool>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(flagstaff::is_enabled("a"))))
    }
}

#[tokio::test]
async fn the_flags_are_in_scope_within_call_itself() {
    let flags = flags([("a", true.into())]).await;
    let service = ServiceBuilder::new().layer(flags.request_layer(Anonymous)).service(AsksAtOnce);

    let response = service.oneshot(Request::new(())).await.unwrap();

    assert!(response.into_body().into_inner());
    assert!(flagstaff::current().is_none());
}

#[tokio::test]
async fn the_context_is_the_extractors() {
    let flags = flags([]).await;
    let who = service_fn(async |request: Request<()>| {
        let flags = request.extensions().get::<RequestFlags>().unwrap();
        Ok::<_, Infallible>(Response::new(flags.context().clone()))
    });
    let request = || {
        let request = Request::get("/").header("x-user-id", "ana").header("x-user-groups", "a,b");
        request.body(()).unwrap()
    };

    let by_header = flags.request_layer(TrustedHeaders::default().or_anonymous());
    let by_header = ServiceBuilder::new().layer(by_header);
    let response = by_header.service(who).oneshot(request()).await.unwrap();
    assert_eq!(*response.body().get_ref(), Who::user("ana").groups(["a", "b"]));

    let by_path = context_fn(|head| Who::user(head.uri.path()));
    let by_path = ServiceBuilder::new().layer(flags.request_layer(by_path));
    let response = by_path.service(who).oneshot(request()).await.unwrap();
    assert_eq!(*response.body().get_ref(), Who::user("/"));

    let anonymous = ServiceBuilder::new().layer(flags.request_layer(Anonymous));
    let response = anonymous.service(who).oneshot(request()).await.unwrap();
    assert_eq!(*response.body().get_ref(), Who::anonymous());
}

#[tokio::test]
async fn an_inner_request_layer_changes_the_user_and_keeps_the_generation() {
    let flags = flags([("a", true.into())]).await;
    let others = super::flags([("a", false.into())]).await;
    let see = service_fn(async |request: Request<()>| {
        let flags = request.extensions().get::<RequestFlags>().unwrap();
        let user = flags.context().targeting_key().map(str::to_owned);
        Ok::<_, Infallible>(Response::new((flags.is_enabled("a"), user)))
    });
    let inner = |flags: &Flags| {
        let layer = flags.request_layer(context_fn(|_| Who::user("inner")));
        ServiceBuilder::new().layer(layer).service(see)
    };
    let mut request = Request::new(());
    request.extensions_mut().insert(flags.pin(Who::user("outer")));
    flags.disable("a").await.unwrap();

    let same = inner(&flags).oneshot(request.clone()).await.unwrap();
    assert_eq!(*same.body().get_ref(), (true, Some("inner".to_owned())));

    let other = inner(&others).oneshot(request).await.unwrap();
    assert_eq!(*other.body().get_ref(), (false, Some("inner".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_reloads_fails_no_request_and_mixes_no_generations() {
    const REQUESTS: usize = 20_000;
    let offer = |on: bool| Offer::from_iter([("a", Entry::from(on)), ("b", Entry::from(on))]);
    let (script, source) = Scripted::new();
    script.send(Act::Publish(offer(true))).ok().unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let service = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagGate::new("a").conceal(service_fn(see)))
        .service_fn(see);
    async fn see(_: Request<()>) -> Result<Response<[bool; 4]>, Infallible> {
        let first = [flagstaff::is_enabled("a"), flagstaff::is_enabled("b")];
        tokio::task::yield_now().await;
        let task = async { [flagstaff::is_enabled("b"), flagstaff::is_enabled("a")] };
        let second = tokio::spawn(task.with_current_flags()).await.unwrap();
        Ok(Response::new([first[0], first[1], second[0], second[1]]))
    }

    let (done, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let storm = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut on = true;
            while !done.load(Ordering::Relaxed) {
                on = !on;
                script.send(Act::Publish(offer(on))).ok().unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (service, seen) = (service.clone(), Arc::clone(&seen));
        clients.spawn(async move {
            let (mut on, mut off) = (0, 0);
            // Waits until both answers were seen, so that flags really changed during the requests.
            while seen.fetch_add(1, Ordering::Relaxed) < REQUESTS || on == 0 || off == 0 {
                let response = service.clone().oneshot(Request::new(())).await;
                match response.expect("no request fails").into_body().into_inner() {
                    [true, true, true, true] => on += 1,
                    [false, false, false, false] => off += 1,
                    mixed => panic!("generations are mixed: {mixed:?}"),
                }
            }
        });
    }
    let all = tokio::time::timeout(BOUND, async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    });
    let all = all.await;
    done.store(true, Ordering::Relaxed);
    storm.await.unwrap();

    all.expect("the requests are done within the bound");
}
