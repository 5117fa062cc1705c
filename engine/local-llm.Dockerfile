# The engine with the small language model of demo and tests. Never published: the model's terms do not allow it.
ARG ENGINE_IMAGE
FROM ${ENGINE_IMAGE}
USER 0:0
ARG LOCK
RUN --mount=type=bind,source=.,target=/wheels : "${LOCK}" && \
    pip install --no-cache-dir --no-index --find-links /wheels -r /wheels/requirements-local-llm.txt
USER 65532:65532
