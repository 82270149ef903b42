//! Computations: so many at a time, so many in the queue, and none for a client that has gone away.
//!
//! Computations run in the thread pool of the engine, where `dm sample` computes too. A thread of its own waits for each of them,
//! so that the threads that serve connections never wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::http::StatusCode;
use dm_nn::threads::on_the_pool;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{Answer, Events, Refusal};

/// A queue of computations.
#[derive(Clone)]
pub struct Queue {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
}

/// Whether a computation should stop, because its client has gone away or the server ends.
#[derive(Clone)]
pub struct Stop {
    gone: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    events: Option<UnboundedSender<Bytes>>,
}

impl Stop {
    /// Whether nobody waits for the result any more.
    pub fn is_set(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
            || self.stopping.load(Ordering::Relaxed)
            || self.events.as_ref().is_some_and(UnboundedSender::is_closed)
    }
}

/// Sets the flag when the handler of a request ends, also when it is dropped because the connection was closed.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Queue {
    /// A queue in which `running` computations run at a time and `waiting` others wait. All stop when `stopping` is set.
    pub fn new(running: usize, waiting: usize, stopping: Arc<AtomicBool>) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { running: semaphore(running), places: semaphore(running + waiting), stopping }
    }

    /// A place in the queue.
    fn place(&self) -> Answer<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().map_err(|_| Refusal::busy())
    }

    /// Runs `work` when it is its turn, and waits for its result.
    ///
    /// # Errors
    /// If the queue is full, or `work` fails.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let place = self.place()?;
        let stop = Stop { gone: Arc::default(), stopping: self.stopping.clone(), events: None };
        let _gone = SetOnDrop(stop.gone.clone());
        let turn = self.running.clone().acquire_owned().await;
        // The permits stay with the work, which may run on for a moment after its client has gone.
        let work = move || {
            let _permits = (place, turn);
            on_the_pool(|| work(&stop))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(failed()))
    }

    /// Runs `work` when it is its turn, and streams the events that it sends to the client meanwhile.
    ///
    /// # Errors
    /// If the queue is full.
    pub fn stream(
        &self,
        work: impl FnOnce(&UnboundedSender<Bytes>, &Stop) + Send + 'static,
    ) -> Answer<Events> {
        let place = self.place()?;
        let (events, messages) = unbounded_channel();
        let (running, stopping) = (self.running.clone(), self.stopping.clone());
        tokio::spawn(async move {
            let turn = tokio::select! {
                turn = running.acquire_owned() => turn,
                () = events.closed() => return,
            };
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                let stop = Stop { gone: Arc::default(), stopping, events: Some(events.clone()) };
                on_the_pool(|| work(&events, &stop));
            });
        });
        Ok(Events { messages, _place: place })
    }
}

/// The refusal of a request whose computation has ended in a way that this program does not expect.
fn failed() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the computation has failed unexpectedly")
}
