# Builds with all dependencies; runs with those of the server only, as an unprivileged user.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Install the dependencies first, so that they are cached. The build scripts need the sources and run below.
RUN npm ci --ignore-scripts
COPY . .
# `--omit=optional` also removes the embedded PostgreSQL, since DATABASE_URL points to another container, and the dependencies of
# Prisma's command line. The binary of argon2 is required, although it is optional for npm, since it depends on the platform.
RUN npm run build \
  && cp -r node_modules/@node-rs /tmp \
  && npm prune --omit=dev --omit=optional --ignore-scripts \
  && cp -r /tmp/@node-rs node_modules \
  && node -e "require('@node-rs/argon2')"

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000
WORKDIR /app
COPY --from=build /app/package.json /app/schema.graphql ./
COPY --from=build /app/prisma/migrations prisma/migrations
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "const { TLS_CERT_FILE, PORT } = process.env; process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; fetch((TLS_CERT_FILE ? 'https' : 'http') + '://127.0.0.1:' + PORT + '/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Not npm, which would not forward Docker's signals to the server.
# A larger young generation: docs/decisions/0105-young-generation.md
CMD ["node", "--max-semi-space-size=64", "dist/main.js"]
