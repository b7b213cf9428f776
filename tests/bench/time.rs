//! The same workloads in nanoseconds, two threads against one, and reloads.

#![allow(missing_docs, reason = "criterion's macro makes public items")]

#[expect(dead_code, reason = "the gate is measured in instructions alone")]
mod workloads;

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group};

use workloads::{
    CALLS, Fixture, Shape, by_handle, by_name, by_name_of_user, details_by_name, offer,
    reference_by_handle, reference_by_name, reference_by_name_of_user, start,
};

type Loop = fn(&Fixture) -> usize;

fn evaluation(criterion: &mut Criterion) {
    let w1: &[(&str, Loop)] = &[
        ("by_name", by_name_of_user),
        ("by_name_reference", reference_by_name_of_user),
        ("by_handle", by_handle),
        ("by_handle_reference", reference_by_handle),
    ];
    let w2: &[(&str, Loop)] = &[
        ("by_name", by_name),
        ("by_name_reference", reference_by_name),
        ("details_by_name", details_by_name),
        ("by_handle", by_handle),
        ("by_handle_reference", reference_by_handle),
    ];
    group(criterion, "w1", &Fixture::new(100, Shape::Constant), w1);
    group(criterion, "w2", &Fixture::new(100, Shape::Targeted), w2);
    for flags in [10, 1_000, 10_000] {
        let name = format!("w6_of_{flags}");
        group(criterion, &name, &Fixture::new(flags, Shape::Constant), w1);
    }
}

fn group(criterion: &mut Criterion, name: &str, fixture: &Fixture, loops: &[(&str, Loop)]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(CALLS as u64));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, run) in loops {
        group.bench_function(*name, |bencher| bencher.iter(|| run(black_box(fixture))));
    }
    group.finish();
}

/// Publishing 10,000 flags of which none, one or all differ from those in force.
fn reload(criterion: &mut Criterion) {
    const FLAGS: usize = 10_000;
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(20);
    for (name, shape) in [("constant", Shape::Constant), ("targeted", Shape::Targeted)] {
        let offers = [offer(FLAGS, shape, 0), offer(FLAGS, shape, 1)];
        group.bench_function(format!("{name}_first"), |bencher| {
            let empty = || (start(offer(0, shape, 0)), offers[0].clone());
            let publish = |((flags, sink), offer): ((_, flagstaff::backend::Sink), _)| {
                sink.publish(offer);
                flags
            };
            bencher.iter_batched(empty, publish, BatchSize::PerIteration);
        });
        let (_flags, sink) = start(offers[0].clone());
        group.bench_function(format!("{name}_none_differs"), |bencher| {
            let same = || offers[0].clone();
            bencher.iter_batched(same, |offer| sink.publish(offer), BatchSize::PerIteration);
        });
        let mut revision = 0;
        group.bench_function(format!("{name}_all_differ"), |bencher| {
            let next = || {
                revision += 1;
                offers[revision % 2].clone()
            };
            bencher.iter_batched(next, |offer| sink.publish(offer), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// How much more two threads do than one. Other work on the machine only lowers it, so the best of
/// several rounds is nearest to the truth.
fn two_threads() {
    let runs: [(&str, Shape, Loop); 3] = [
        ("w1 by_name", Shape::Constant, by_name_of_user),
        ("w2 by_name", Shape::Targeted, by_name),
        ("w2 by_handle", Shape::Targeted, by_handle),
    ];
    for (name, shape, run) in runs {
        // Each thread has calls and contexts of its own, and all share the flags.
        let fixture = Fixture::new(100, shape);
        let other = fixture.for_another_thread();
        let fixtures = [fixture, other];
        let mut times = [Duration::MAX; 2];
        for _ in 0..40 {
            for threads in [1, 2] {
                let took = time(&fixtures[..threads], run);
                times[threads - 1] = times[threads - 1].min(took);
            }
        }
        let ratio = 2.0 * times[0].as_secs_f64() / times[1].as_secs_f64();
        report(&format!("w7 two threads against one, {name}: {ratio:.2} times the calls"));
    }
}

/// How long the slowest thread takes.
fn time(fixtures: &[Fixture], run: Loop) -> Duration {
    let barrier = Barrier::new(fixtures.len());
    thread::scope(|scope| {
        let threads = fixtures.iter().map(|fixture| {
            let barrier = &barrier;
            scope.spawn(move || {
                // The first run fills the thread-local.
                black_box(run(fixture));
                barrier.wait();
                let started = Instant::now();
                for _ in 0..20 {
                    black_box(run(black_box(fixture)));
                }
                started.elapsed()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().expect("no panics")).max()
    })
    .expect("one thread at least")
}

#[expect(clippy::print_stdout, reason = "it is the output")]
fn report(line: &str) {
    println!("{line}");
}

criterion_group!(benches, evaluation, reload);

fn main() {
    benches();
    two_threads();
    Criterion::default().configure_from_args().final_summary();
}
