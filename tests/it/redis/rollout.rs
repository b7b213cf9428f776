//! Rollouts that are controlled through Redis.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Definition, Flags, Memory, Percentage, WriteError,
    definition::{Field, Rollout, RolloutStatus, Stage},
    write::RolloutError,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    server::{Server, patient},
    subject::over,
};

fn stage(percent: u32) -> Stage {
    Stage::new(Percentage::whole(percent).unwrap())
}

async fn flags(server: &Server, rollout: Rollout) -> Flags {
    let redis = patient(&server.url());
    let declared = Memory::new().with("a", Definition::new().rollout(rollout));
    over(redis, declared).await
}

fn stored(server: &Server) -> Value {
    serde_json::from_str(&server.cli(&["HGET", "feature_flags", "a"])).unwrap()
}

fn at(flags: &Flags) -> (u32, RolloutStatus) {
    let progress = flags.snapshot().info("a").unwrap().rollout().unwrap();
    (progress.stage, progress.status)
}

#[tokio::test]
async fn the_state_is_stored_and_the_stages_stay_in_the_file() {
    let server = Server::start();
    let hour = Duration::from_secs(3600);
    let flags = flags(&server, Rollout::new([stage(10).lasting(hour), stage(100)])).await;
    let rollout = flags.rollout("a");

    rollout.start().author("ana").reason("release 7").await.unwrap();

    let members = |value: &Value| -> Vec<String> {
        value["rollout"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&stored(&server)), ["start"]);
    assert_eq!(stored(&server)["override"]["by"], "ana");
    assert_eq!(at(&flags), (1, RolloutStatus::Running));

    assert!(matches!(rollout.advance().await, Err(RolloutError::TooEarly { .. })));
    rollout.pause().await.unwrap();
    assert_eq!(at(&flags), (1, RolloutStatus::Paused));
    rollout.resume().await.unwrap();
    assert_eq!(stored(&server)["rollout"]["paused_at"], Value::Null);
    rollout.advance().forced().await.unwrap();
    assert_eq!(at(&flags), (2, RolloutStatus::Complete));
    rollout.roll_back().await.unwrap();
    assert_eq!(at(&flags), (1, RolloutStatus::Paused));
    rollout.off().await.unwrap();
    assert_eq!(stored(&server)["enabled"], false);
    rollout.roll_back_completely().await.unwrap();
    rollout.start().await.unwrap();
    assert_eq!(
        (at(&flags), &stored(&server)["enabled"]),
        ((1, RolloutStatus::Running), &true.into())
    );

    // A percentage set by hand ends the rollout while it is stored, and removes the stored state of the rollout.
    flags.set("a", Definition::new().percentage(Percentage::HUNDRED)).await.unwrap();
    assert_eq!(
        (stored(&server).get("rollout"), flags.watch("a").borrow().to_string()),
        (None, "on".to_owned())
    );
    flags.set("a", Definition::new()).inheriting([Field::Percentage]).await.unwrap();
    assert_eq!(at(&flags), (0, RolloutStatus::NotStarted));
}

#[tokio::test]
async fn as_many_stages_are_advanced_as_steps_were_made() {
    let server = Server::start();
    let rollout = || {
        let stages = (1..=50).map(|percent| stage(percent).manual());
        Rollout::new(stages).start(SystemTime::UNIX_EPOCH)
    };
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let flags = flags(&server, rollout()).await;
        tasks.spawn(async move {
            let mut made = 0;
            for _ in 0..5 {
                match flags.rollout("a").advance().await {
                    Ok(_) => made += 1,
                    Err(RolloutError::Write(WriteError::Conflict { .. })) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            made
        });
    }

    let made: u32 = tasks.join_all().await.iter().sum();

    assert!(made >= 5);
    assert_eq!(stored(&server)["rollout"]["stage"], json!(made + 1));
}

#[tokio::test]
async fn stages_with_dates_in_redis_can_be_started_earlier() {
    let server = Server::start();
    let dated = json!({"rollout": {"stages": [
        {"percentage": 10, "at": "2126-11-21T00:00:00Z"},
        {"percentage": 100, "at": "2126-11-22T00:00:00Z"},
    ]}});
    server.cli(&["HSET", "feature_flags", "a", &dated.to_string()]);
    let flags = flags(&server, Rollout::default()).await;
    assert_eq!(at(&flags), (0, RolloutStatus::NotStarted));

    flags.rollout("a").start().await.unwrap();

    assert_eq!(at(&flags), (1, RolloutStatus::Running));
}
