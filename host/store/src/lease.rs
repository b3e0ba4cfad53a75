//! The write lease: the writing connection, lent to one interactive transaction for a short time.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::claim::{self, Claim};
use crate::ending::Ending;
use crate::error::{Constraint, StoreError};
use crate::owner::Owner;
use crate::writer::{Entry, Thread, Work, Writer, late};

/// Time between two looks whether others wait for a transaction that goes on for long.
const LOOK: Duration = Duration::from_millis(1);

type Job = Box<dyn FnOnce(&mut Work<'_>) + Send>;

enum Step {
    Run(Job),
    Commit(oneshot::Sender<Result<(), StoreError>>),
    Rollback(oneshot::Sender<Result<(), StoreError>>),
}

/// What waits in the writer's queue.
pub(crate) struct Request {
    owner: Arc<Owner>,
    seen: Option<u64>,
    claim: Arc<Claim>,
    granted: oneshot::Sender<Result<(), StoreError>>,
    steps: mpsc::Receiver<Step>,
    ending: Arc<Ending>,
}

/// The writing connection inside a transaction of its own, exclusively. Dropped, it is rolled back before anybody else
/// gets the connection.
#[derive(Debug)]
pub struct Lease {
    steps: mpsc::Sender<Step>,
    ending: Arc<Ending>,
}

impl Lease {
    pub(crate) async fn wait(
        writer: &Writer,
        owner: &Arc<Owner>,
        seen: Option<u64>,
        deadline: Instant,
    ) -> Result<Self, StoreError> {
        let (steps, receiver) = mpsc::channel();
        let (granted, answer) = oneshot::channel();
        let (claim, ending) = (Claim::new(), Arc::new(Ending::default()));
        let request = Request {
            owner: owner.clone(),
            seen,
            claim: claim.clone(),
            granted,
            steps: receiver,
            ending: ending.clone(),
        };
        writer.enter(&owner.taker(), Entry::Lease(request))?;
        claim::answer(claim, answer, deadline, late).await?;
        Ok(Self { steps, ending })
    }

    /// Whether the other side ended it: its time was up, or its connection broke.
    pub fn is_over(&self) -> bool {
        self.ending.is_set()
    }

    /// Runs `job` inside the transaction. Where it fails, what it did is undone and the transaction goes on, unless
    /// SQLite gave up the whole transaction.
    pub async fn run<T, E>(&self, job: impl FnOnce(&mut Work<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let step = Step::Run(Box::new(move |work| {
            let _ = reply.send(work.atomic(job));
        }));
        self.steps.send(step).map_err(|_| self.ending.error())?;
        answer.await.unwrap_or_else(|_| Err(self.ending.error().into()))
    }

    /// Sets, goes back to, or forgets a mark; `sql` is one of the host's own.
    pub async fn control(&self, statement: Arc<crate::Statement>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let step = Step::Run(Box::new(move |work| {
            let _ = reply.send(crate::writer::control_statement(work.session, &statement));
        }));
        self.steps.send(step).map_err(|_| self.ending.error())?;
        answer.await.unwrap_or_else(|_| Err(self.ending.error()))
    }

    /// Makes it final: on disk when this returns `Ok`.
    pub async fn commit(self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.steps.send(Step::Commit(reply)).map_err(|_| self.ending.error())?;
        answer.await.unwrap_or_else(|_| Err(self.ending.error()))
    }

    /// Undoes all of it.
    pub async fn rollback(self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.steps.send(Step::Rollback(reply)).map_err(|_| self.ending.error())?;
        answer.await.unwrap_or_else(|_| Err(self.ending.error()))
    }
}

impl Thread {
    /// Lends the connection and serves its borrower until it commits, rolls back, is gone or is out of time.
    pub(crate) fn lend(&mut self, request: Request) {
        let Request { owner, seen, claim, granted, steps, ending } = request;
        if !claim.begin() {
            return;
        }
        let begun = match seen {
            Some(seen) if seen != owner.commits() => Err(StoreError::Conflict),
            _ => self.begin(),
        };
        let refused = begun.is_err();
        if granted.send(begun).is_err() || refused {
            self.rollback();
            return;
        }
        let began = Instant::now();
        let yields = self.begin_hold(owner.lane(), false, began);
        let commit = self.serve_borrower(&owner, &steps, &ending, began, yields);
        self.end_lease(owner.lane(), began.elapsed());
        if let Some(reply) = commit {
            let result = self.commit_lease(&owner);
            ending.set(StoreError::Closed);
            let _ = reply.send(result);
        }
    }

    /// Serves the borrower until it is through. Where it wants to commit, that remains to be done and told.
    fn serve_borrower(
        &mut self,
        owner: &Owner,
        steps: &mpsc::Receiver<Step>,
        ending: &Ending,
        began: Instant,
        yields: Option<Instant>,
    ) -> Option<oneshot::Sender<Result<(), StoreError>>> {
        let idle = Duration::from_millis(self.config.transaction_idle_ms);
        let end = began + Duration::from_millis(self.config.transaction_total_ms);
        loop {
            let waiting = Instant::now();
            let step = self.next_step(steps, end.min(waiting + idle), yields);
            // While it thinks nobody else writes. Its statements count by themselves.
            if let Some(account) = owner.account() {
                account.charge_time(waiting.elapsed());
            }
            match step {
                Ok(Step::Run(job)) => {
                    let mut work = Work { session: &mut self.session, deadline: end, marks: &self.marks };
                    // The answer's sender is dropped by a panic, so the borrower gets an error.
                    work.session.control().yield_from(yields);
                    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut work))).is_err();
                    self.session.control().yield_from(None);
                    if panicked || self.session.is_autocommit() {
                        // Whoever ran the job has its own error; from now on it's over.
                        let late = Instant::now() >= end || self.has_to_yield(yields);
                        ending.set(if late { StoreError::Timeout } else { StoreError::Closed });
                        self.rollback();
                        return None;
                    }
                }
                Ok(Step::Commit(reply)) => return Some(reply),
                Ok(Step::Rollback(reply)) => {
                    self.rollback();
                    ending.set(StoreError::Closed);
                    let _ = reply.send(Ok(()));
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.rollback();
                    ending.set(StoreError::Timeout);
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.rollback();
                    return None;
                }
            }
        }
    }

    /// What the borrower wants next, until `end`, or until it is in others' way.
    fn next_step(
        &self,
        steps: &mpsc::Receiver<Step>,
        end: Instant,
        yields: Option<Instant>,
    ) -> Result<Step, RecvTimeoutError> {
        loop {
            let now = Instant::now();
            if now >= end || self.has_to_yield(yields) {
                return steps.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            let until = match yields {
                // Nobody waits yet.
                Some(yields) if now >= yields => end.min(now + LOOK),
                Some(yields) => end.min(yields),
                None => end,
            };
            match steps.recv_timeout(until.duration_since(now)) {
                Err(RecvTimeoutError::Timeout) => {}
                step => return step,
            }
        }
    }

    fn has_to_yield(&self, yields: Option<Instant>) -> bool {
        yields.is_some_and(|yields| Instant::now() >= yields) && self.is_crowded()
    }

    fn commit_lease(&mut self, owner: &Owner) -> Result<(), StoreError> {
        if self.session.has_dangling_keys() {
            self.rollback();
            return Err(StoreError::Constraint { kind: Constraint::ForeignKey, subject: String::new() });
        }
        self.commit()?;
        owner.committed();
        Ok(())
    }
}
