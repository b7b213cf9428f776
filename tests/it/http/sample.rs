//! Percentages of requests instead of users.

use std::convert::Infallible;

use flagstaff::{
    Context, Definition, Flags, Percentage, RequestFlags, WithCurrentFlags,
    answer::Cause,
    context::Anonymous,
    definition::{BucketBy, Condition, Rule, Serve},
};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt};

use super::flags;

/// The answer within the outer of two request layers.
#[derive(Debug, Clone, PartialEq)]
struct Outer(bool);

fn fifty() -> Percentage {
    Percentage::whole(50).unwrap()
}

/// Returns flags in which a rule draws half of the requests.
async fn half_of_requests() -> Flags {
    let everybody = Condition::All(Vec::new());
    let half = Serve::Percentage(fifty());
    let sampled = Definition::new().rules([Rule::new(everybody, half).bucket_by("request")]);
    flags([("sampled", sampled.into())]).await
}

/// Returns flags in which the flag itself draws half of the requests.
async fn half_by_the_flag() -> Flags {
    let sampled = Definition::new().percentage(fifty()).bucket_by(BucketBy::Request);
    flags([("sampled", sampled.into())]).await
}

#[tokio::test]
async fn a_request_has_one_answer_wherever_it_asks_and_requests_differ() {
    for flags in [half_of_requests().await, half_by_the_flag().await] {
        requests_differ(flags).await;
    }
}

async fn requests_differ(flags: Flags) {
    let service = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .map_request(|mut request: Request<()>| {
            let outer = request.extensions().get::<RequestFlags>().unwrap().is_enabled("sampled");
            request.extensions_mut().insert(Outer(outer));
            request
        })
        .layer(flags.request_layer(Anonymous))
        .service_fn(async |request: Request<()>| {
            let pinned = request.extensions().get::<RequestFlags>().unwrap().is_enabled("sampled");
            let task = async { flagstaff::is_enabled("sampled") }.with_current_flags();
            let answers = [flagstaff::is_enabled("sampled"), tokio::spawn(task).await.unwrap()];
            assert_eq!(answers, [pinned; 2]);
            assert_eq!(request.extensions().get(), Some(&Outer(pinned)));
            Ok::<_, Infallible>(Response::new(pinned))
        });

    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(
            service
                .clone()
                .oneshot(Request::new(()))
                .await
                .unwrap()
                .into_body()
                .into_inner()
                .into_inner(),
        );
    }

    // The chance that all answers are equal is 1 in 2^199.
    assert!(seen.contains(&true) && seen.contains(&false));
}

#[tokio::test]
async fn outside_of_a_request_a_sample_of_requests_is_off() {
    for flags in [half_of_requests().await, half_by_the_flag().await] {
        for n in 0..20 {
            let answer = flags.boolean("sampled", &Context::user(format!("user-{n}")), false);

            assert!(!answer.value);
            assert!(matches!(answer.cause, Cause::NoUnit(unit) if unit.as_str() == "request"));
        }
    }
}

#[tokio::test]
async fn variants_are_drawn_by_the_request_too() {
    let arms = || Definition::new().variants([("a", 1), ("b", 1)]);
    let split = Serve::Split(vec![("a".to_owned(), 1.into()), ("b".to_owned(), 1.into())]);
    let rule = Rule::new(Condition::All(Vec::new()), split).named("split");
    let flags = flags([
        ("flag", arms().bucket_by("request").into()),
        ("rule", arms().rules([rule.bucket_by("request")]).into()),
        ("spared", arms().bucket_by("request").traffic(fifty()).off("b").into()),
    ])
    .await;
    let service = ServiceBuilder::new().layer(flags.request_layer(Anonymous)).service_fn(
        async |request: Request<&'static str>| {
            let flags = flagstaff::current().expect("within a request");
            let served = [(); 2].map(|()| flags.variant(*request.body(), "none").value);
            assert_eq!(served[0], served[1]);
            Ok::<_, Infallible>(Response::new(served[0].to_owned()))
        },
    );

    for flag in ["flag", "rule", "spared"] {
        let mut seen = Vec::new();
        for _ in 0..200 {
            seen.push(
                service.clone().oneshot(Request::new(flag)).await.unwrap().into_body().into_inner(),
            );
        }

        // The chance that one of them is missing is 1 in 2^80.
        assert!(seen.contains(&"a".to_owned()) && seen.contains(&"b".to_owned()), "{flag}");
        let outside = flags.variant(flag, &Context::user("ana"), "none");
        assert!(matches!(outside.cause, Cause::NoUnit(_)), "{flag}");
    }
}
