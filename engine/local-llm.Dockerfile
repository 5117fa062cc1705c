# The small language model of demo and tests. Never published: the model's terms do not allow it.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim
FROM ${PYTHON_IMAGE}
RUN ldconfig -p | grep -q libgomp.so.1 || \
    (apt-get update -qq && apt-get install -y -qq --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*)
# Builders do not look into a mounted folder when they decide whether a layer is still good: the hashes say it.
ARG LOCK
RUN --mount=type=bind,source=.,target=/wheels : "${LOCK}" && \
    pip install --no-cache-dir --no-index --find-links /wheels -r /wheels/requirements-local-llm.txt
ARG SOURCE
RUN --mount=type=bind,source=.,target=/wheels : "${SOURCE}" && \
    pip install --no-cache-dir --no-index --no-deps /wheels/trading_engine_operator-*.whl
USER 65532:65532
ENTRYPOINT ["trading-engine"]
