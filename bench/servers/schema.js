// What the peers that are given a schema have in common.
export const typeDefs = /* GraphQL */ `
  type Group {
    id: Int!
    name: String!
    description: String!
    tagName: String!
    duration: Int!
    price: String!
    usernamePostfix: String
    usernamePostfixId: String
    dailyBandwidth: String!
    multiLoginCount: Int!
    downloadUpload: String!
    ip: String
  }
  type Query {
    group(id: Int!): Group
  }
  type Mutation {
    deleteGroup(id: Int!): Group
  }
`;

/** A row as pg reads it, with the names of the API. */
export const columns = `id, name, description, tag_name AS "tagName", duration, price, username_postfix AS "usernamePostfix",
  username_postfix_id AS "usernamePostfixId", daily_bandwidth AS "dailyBandwidth", multi_login_count AS "multiLoginCount",
  download_upload AS "downloadUpload", ip`;

export const poolSize = 10;
export const port = Number(process.env.PORT);
export const host = '127.0.0.1';

/** Where the database is, as pg takes it. */
export const connection = { connectionString: process.env.DATABASE_URL, max: poolSize };
