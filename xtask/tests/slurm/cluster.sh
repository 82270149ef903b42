#!/bin/bash
# A Slurm cluster of one node on this machine, for tests:
#   cluster.sh start FOLDER    starts munged, slurmctld and slurmd and waits until the node is idle; then use SLURM_CONF=FOLDER/slurm.conf
#   cluster.sh stop FOLDER     stops them
# Needs root and the packages slurm-wlm and munge. Everything is kept in FOLDER; a cluster of the machine itself is not touched.
set -eu
action=$1
dir=$2
host=$(hostname -s)
export SLURM_CONF=$dir/slurm.conf

configure() {
    mkdir -p "$dir"/{state,spool,log}
    # munged refuses a folder that others may write to, and a key that others may read.
    chmod 0755 "$dir"
    (umask 077 && head -c 1024 /dev/urandom > "$dir/munge.key")
    cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job starts again only when its old credential has expired. The default is two minutes.
AuthInfo=socket=$dir/munge.socket,cred_expire=5
SlurmctldPort=$1
SlurmdPort=$2
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldLogFile=$dir/log/slurmctld.txt
SlurmdLogFile=$dir/log/slurmd.txt
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=5
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

case $action in
start)
    # Two ports that no other test uses: derived from the number of this process.
    configure $((20000 + $$ % 10000)) $((30000 + $$ % 10000))
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/log/munged.txt" --seed-file="$dir/munge.seed"
    slurmctld -c
    slurmd -N "$host"
    for _ in $(seq 300); do
        if [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ]; then exit 0; fi
        sleep 0.1
    done
    echo "the node is not idle after 30 s; the logs are in $dir/log" >&2
    tail -n 5 "$dir"/log/*.txt >&2
    exit 1
    ;;
stop)
    scancel --user=root 2> /dev/null || true
    for pid in slurmd.pid slurmctld.pid munged.pid; do
        if [ -f "$dir/$pid" ]; then kill "$(cat "$dir/$pid")" 2> /dev/null || true; fi
    done
    ;;
*)
    echo "usage: cluster.sh start|stop FOLDER" >&2
    exit 2
    ;;
esac
