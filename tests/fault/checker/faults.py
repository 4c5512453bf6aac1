"""What befalls the servers. Each fault is a generator: up to its yield it strikes, after it it heals; the value yielded is how
long it lasts, in leases. All chance comes from the run's seed."""

import signal
import threading
import time

from harness.service import wait_until

from .servers import LEASE_MS


class World:
    """What faults act on."""

    def __init__(self, cluster, redis, instances, namespace, chance):
        self.cluster, self.redis, self.instances = cluster, redis, instances
        self.namespace, self.chance = namespace, chance
        self.busy = set()  # what a fault has in its hands: two faults never share one
        self.lock = threading.Lock()

    def take(self, *names):
        with self.lock:
            if self.busy & set(names):
                return False
            self.busy |= set(names)
            return True

    def give_back(self, *names):
        with self.lock:
            self.busy -= set(names)


def stop_instance(world):
    """Frozen, and it wakes without having noticed: the lease is what keeps it from answering with what it holds."""
    instance = world.chance.choice(world.instances)
    if not world.take(instance.name):
        return
    try:
        instance.signal(signal.SIGSTOP)
        yield f"stop {instance.name}", world.chance.choice((0.2, 0.8, 1.2, 2.5))
        instance.signal(signal.SIGCONT)
    finally:
        world.give_back(instance.name)


def kill_instance(world):
    instance = world.chance.choice(world.instances)
    if not world.take(instance.name):
        return
    try:
        instance.kill()
        yield f"kill {instance.name}", world.chance.choice((0, 0.5))
        instance.start(migrate=False, wait=False)
    finally:
        world.give_back(instance.name)


def kill_redis(world):
    if not world.take("redis"):
        return
    try:
        world.redis.kill()
        yield "kill redis", 1
        world.redis.start()
    finally:
        world.give_back("redis")


def freeze_redis(world):
    if not world.take("redis"):
        return
    try:
        world.redis.process.send_signal(signal.SIGSTOP)
        yield "freeze redis", 1
        world.redis.process.send_signal(signal.SIGCONT)
    finally:
        world.give_back("redis")


def empty_redis(world):
    if not world.take("redis"):
        return
    try:
        world.redis.client().flushall()
        yield "empty redis", 0
    finally:
        world.give_back("redis")


def old_redis(world):
    """What Redis held is captured, and comes back later, again and again, some of it damaged or under another key."""
    if not world.take("redis"):
        return
    try:
        held = world.redis.capture()
        yield f"put {held} old values back into redis", 0.5
        for _ in range(3):
            world.redis.put_back(world.chance)
            time.sleep(0.05)
    finally:
        world.give_back("redis")


def cut_connections(world):
    if not world.take("postgres"):
        return
    try:
        some = world.chance.choice(("true", "random() < 0.3", "query LIKE '%instances%'"))
        world.cluster.primary.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                                  f"AND pid <> pg_backend_pid() AND {some}")
        yield f"cut database connections ({some})", 0
    finally:
        world.give_back("postgres")


def restart_database(world):
    if not world.take("postgres"):
        return
    try:
        number = world.chance.choice((signal.SIGINT, signal.SIGQUIT))
        world.cluster.primary.end(number)
        yield f"database down ({number.name})", world.chance.choice((0, 1.5))
        world.cluster.primary.start()
    finally:
        world.give_back("postgres")


def freeze_database(world):
    if not world.take("postgres"):
        return
    try:
        pids = world.cluster.primary
        pids.signal_all(signal.SIGSTOP)
        yield "freeze database", world.chance.choice((0.3, 1.5))
        pids.signal_all(signal.SIGCONT)
    finally:
        world.give_back("postgres")


def cut_network(world):
    """Packets between one instance and all servers vanish; its clients still reach it."""
    namespaced = next((one for one in world.instances if one.namespace), None)
    if namespaced is None or not world.take("network"):
        return
    try:
        ports = world.chance.choice((world.cluster.ports, world.cluster.ports + [world.redis.port]))
        world.namespace.cut(ports)
        yield f"cut {namespaced.name} off", world.chance.choice((0.5, 1.5, 3))
        world.namespace.heal()
    finally:
        world.give_back("network")


def lagging_replica(world):
    if world.cluster.standby is None or not world.take("postgres"):
        return
    try:
        world.cluster.standby.sql("SELECT pg_wal_replay_pause()")
        yield "the replica lags", world.chance.choice((1, 3))
        world.cluster.standby.sql("SELECT pg_wal_replay_resume()")
    finally:
        world.give_back("postgres")


def late_standby(world):
    """The primary waits for a standby that does not answer: what it commits the replica shows, and the primary not yet."""
    if world.cluster.standby is None or not world.take("postgres"):
        return
    try:
        world.cluster.primary.synchronous("nobody")
        yield "commits wait for a standby", world.chance.choice((0.5, 0.8, 2))
        world.cluster.primary.synchronous("*")
    finally:
        world.give_back("postgres")


def fail_over(world):
    if world.cluster.standby is None or not world.take("postgres"):
        return
    try:
        world.cluster.fail_over()
        yield "failover", 1
        world.cluster.rebuild()
    finally:
        world.give_back("postgres")


FAULTS = {
    "stop": (stop_instance, 8), "kill": (kill_instance, 3), "redis-kill": (kill_redis, 2), "redis-freeze": (freeze_redis, 2),
    "redis-empty": (empty_redis, 2), "redis-old": (old_redis, 6), "cut": (cut_connections, 5), "restart": (restart_database, 2),
    "freeze": (freeze_database, 2), "network": (cut_network, 5), "lag": (lagging_replica, 3), "late": (late_standby, 3),
    "failover": (fail_over, 1),
}


class Storm:
    """Draws faults and lets them happen, now and then two at once, until stopped."""

    def __init__(self, world, names, say, lanes=2):
        self.world, self.names, self.say = world, names, say
        self.counts = {name: 0 for name in names}
        self.over = threading.Event()
        self.problems = []
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(lanes)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def run(self, number):
        try:
            self.over.wait(0.3 * number)
            while not self.over.is_set():
                self.strike()
                self.over.wait(self.world.chance.uniform(0.05, 0.5) * (1 + number))
        except Exception as problem:  # noqa: BLE001
            self.problems.append(repr(problem))
            self.over.set()
            raise

    def strike(self):
        chance = self.world.chance
        name = chance.choices(self.names, [FAULTS[name][1] for name in self.names])[0]
        fault = FAULTS[name][0](self.world)
        struck = next(fault, None)
        if struck is None:
            return
        self.counts[name] += 1
        self.say(f"{time.strftime('%H:%M:%S')} {struck[0]} for {struck[1]:g} leases")
        self.over.wait(struck[1] * LEASE_MS / 1000)
        next(fault, None)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(120)


def heal(world):
    """Everything runs again; what is gone is started."""
    for instance in world.instances:
        if instance.process is None:
            instance.start(migrate=False, wait=False)
        instance.signal(signal.SIGCONT)
    wait_until(world.redis.answers, 20, "Redis")
    for instance in world.instances:
        instance.wait_ready()
