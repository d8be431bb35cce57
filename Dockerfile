# Skein's image: one for every role. The command chooses the role: `skein master`, `skein worker`, ...
FROM node:24-bookworm-slim AS build
WORKDIR /opt/skein
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.sh ./scripts/build.sh
COPY src ./src
# docker build --build-arg SKEIN_COMMIT=$(git rev-parse --short=12 HEAD)
ARG SKEIN_COMMIT=
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
WORKDIR /opt/skein
ENV NODE_ENV=production SKEIN_HOME=/var/lib/skein UV_THREADPOOL_SIZE=16
COPY --from=build /opt/skein/package.json ./
COPY --from=build /opt/skein/node_modules ./node_modules
COPY --from=build /opt/skein/dist ./dist
COPY tuning/profiles ./tuning/profiles
COPY test/support/origin ./test/support/origin
COPY src/base ./src/base
RUN printf '#!/bin/sh\nexec node /opt/skein/dist/cli/main.js "$@"\n' >/usr/local/bin/skein && chmod +x /usr/local/bin/skein \
  && ln -s skein /usr/local/bin/goosefs \
  && mkdir -p /var/lib/skein /cache && chown node:node /var/lib/skein /cache && chmod 0700 /var/lib/skein /cache
USER node
ENTRYPOINT ["skein"]
CMD ["--help"]
