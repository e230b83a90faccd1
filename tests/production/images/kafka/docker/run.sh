#!/bin/bash
# Starts Kafka as the real image does: Kafka's own class KafkaDockerWrapper converts the variables
# KAFKA_A_B to settings and formats the storage.
set -euf # no globbing, because Java itself expands libs/*
export CLUSTER_ID=${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}
java="/opt/jre/bin/java -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties"
if ! output=$($java -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config 2>&1) && [[ ! $output =~ [Aa]lready\ formatted ]]; then
    echo "$output" >&2
    exit 1
fi
# shellcheck disable=SC2086 -- several options
exec $java ${KAFKA_HEAP_OPTS:--Xmx1G} ${KAFKA_OPTS:-} -cp '/opt/kafka/libs/*' kafka.Kafka \
    /opt/kafka/config/server.properties
