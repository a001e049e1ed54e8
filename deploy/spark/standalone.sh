#!/usr/bin/env bash
# A standalone Spark cluster on this machine, for trying what a real one does: a master, and workers of one
# core each. It runs until it is interrupted; the master's address is the first line that it prints.
#   deploy/spark/standalone.sh 2 1g &        then: spark-submit --master spark://127.0.0.1:7077 ...
# SPARK_MASTER_PORT chooses another port; PYTHON the Python whose pyspark is used.
set -euo pipefail
workers=${1:-2}
memory=${2:-2g}
port=${SPARK_MASTER_PORT:-7077}
home=${SPARK_HOME:-$("${PYTHON:-python}" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$scratch"' EXIT
trap 'exit 0' INT TERM
export SPARK_HOME=$home SPARK_NO_DAEMONIZE=1
start() { "$home/bin/spark-class" "org.apache.spark.deploy.$@" >>"$scratch/log" 2>&1 & }
echo "spark://127.0.0.1:$port"
start master.Master --host 127.0.0.1 --port "$port" --webui-port 0
for worker in $(seq "$workers"); do
  start worker.Worker "spark://127.0.0.1:$port" --host 127.0.0.1 --cores 1 --memory "$memory" \
    --webui-port 0 --work-dir "$scratch/$worker"
done
wait
