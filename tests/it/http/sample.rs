//! Percentages of requests instead of users.

use std::convert::Infallible;

use flagstaff::{
    Context, Definition, Flags, Percentage, RequestFlags, WithCurrentFlags,
    answer::Cause,
    context::Anonymous,
    definition::{Condition, Rule, Serve},
};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt};

use super::flags;

/// What the outer one of two request layers says.
#[derive(Debug, Clone, PartialEq)]
struct Outer(bool);

async fn half_of_requests() -> Flags {
    let everybody = Condition::All(Vec::new());
    let half = Serve::Percentage(Percentage::whole(50).unwrap());
    let sampled = Definition::new().rules([Rule::new(everybody, half).bucket_by("request")]);
    flags([("sampled", sampled.into())]).await
}

#[tokio::test]
async fn a_request_has_one_answer_wherever_it_asks_and_requests_differ() {
    let flags = half_of_requests().await;
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
        seen.push(service.clone().oneshot(Request::new(())).await.unwrap().into_body());
    }

    // By chance they are all alike once in 2^199.
    assert!(seen.contains(&true) && seen.contains(&false));
}

#[tokio::test]
async fn what_is_no_request_is_out() {
    let flags = half_of_requests().await;

    for n in 0..20 {
        let answer = flags.boolean("sampled", &Context::user(format!("user-{n}")), false);

        assert_eq!((answer.value, answer.cause), (false, Cause::NoTargetingKey));
    }
}
